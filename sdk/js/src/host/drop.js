// The engine drops a handle some time after nobody has it any more; an attempt may have so many.

const DISPOSE = Symbol.dispose ?? Symbol.for("dispose");

export const drop = (handle) => handle[DISPOSE]();
