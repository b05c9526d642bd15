// Lets a script of any folder import what is installed here: node --import tests/npm/resolve.mjs SCRIPT
import { register } from "node:module";

const hooks = `
export async function resolve(name, context, next) {
  try {
    return await next(name, context);
  } catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    return next(name, { ...context, parentURL: ${JSON.stringify(import.meta.url)} });
  }
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
