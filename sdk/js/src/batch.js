// The jobs that run together, without their inputs.

let calls = [];

export function runsAs(batch) {
  calls = batch;
}

/** Forgets those whose arguments do not fit. */
export function retain(taken) {
  calls = calls.filter((_, index) => taken.includes(index));
}

export const running = () => calls;
