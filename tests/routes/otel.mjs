// Sends log records as any program with OpenTelemetry's SDK does; it finds the site by OTEL_EXPORTER_OTLP_ENDPOINT.
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { CompressionAlgorithm } from "@opentelemetry/otlp-exporter-base";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { resourceFromAttributes } from "@opentelemetry/resources";

const headers = { Authorization: `Bearer ${process.env.TOKEN}` };
const exporter = new OTLPLogExporter({ headers, compression: CompressionAlgorithm[process.env.COMPRESSION ?? "NONE"] });
const provider = new LoggerProvider({
  resource: resourceFromAttributes({ "service.name": "shop" }),
  processors: [new BatchLogRecordProcessor({ exporter })],
});
const logger = provider.getLogger("checkout");
logger.emit({ severityNumber: 9, severityText: "INFO", body: "a customer came" });
logger.emit({ severityNumber: 17, body: { order: 7, paid: false }, attributes: { "headway.job": "j", "headway.agent": "studio" } });
logger.emit({ severityNumber: 21, body: "crashed", exception: new Error("no paper"), attributes: { "exception.stacktrace": "Error: no paper\n  at till" } });
await provider.shutdown();
console.log("sent");
