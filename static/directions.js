// What turns the direction of a text unseen, in what no template wrote: as `plain` of panels/_directions.py.
const TURNS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

export const plain = (text) => text.replace(TURNS, "\ufffd");
