// Apart from the rest of the border: a component imports this interface only if its module asks a database.

import * as contract from "lovage:task/sql@0.1.0";
import { SqlError } from "../failure.js";
import { drop } from "./drop.js";

function told(call) {
  try {
    return call();
  } catch (error) {
    const { tag, val } = error?.payload ?? {};
    if (tag === undefined) throw error;
    if (tag !== "database") throw new SqlError(tag, `${tag}: ${val}`);
    const { code, message, retry } = val;
    throw new SqlError(tag, `the database says ${code}: ${message}`, { state: code, mayRetry: retry });
  }
}

export const query = (connection, statement, parameters) => told(() => contract.query(connection, statement, parameters));

export function begin(connection) {
  const open = told(() => contract.Transaction.begin(connection));
  return {
    query: (statement, parameters) => told(() => open.query(statement, parameters)),
    commit: () => told(() => ended(open, "commit")),
    rollback: () => told(() => ended(open, "rollback")),
  };
}

function ended(open, how) {
  try {
    open[how]();
  } finally {
    drop(open);
  }
}
