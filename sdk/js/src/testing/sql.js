// Databases as a test says they are.

import { SqlError } from "../failure.js";
import { fromValue, toValue } from "../sqlvalue.js";
import { job } from "../testing.js";

export function query(connection, statement, parameters) {
  const { facts, statements } = job();
  statements.push(`${connection}: ${statement}`);
  if (!facts.sql) throw new SqlError("unknown", `unknown: this test job has no option \`sql\`, which would answer for \`${connection}\``);
  const answer = facts.sql(connection, statement, parameters.map(fromValue)) ?? 0;
  if (typeof answer === "number") return { columns: [], rows: [], affected: answer };
  const columns = Object.keys(answer[0] ?? {});
  const rows = answer.map((row) => columns.map((name) => toValue(row[name], name)));
  return { columns, rows, affected: rows.length };
}

export function begin(connection) {
  const note = (what) => job().statements.push(`${connection}: ${what}`);
  note("begin");
  return {
    query: (statement, parameters) => query(connection, statement, parameters),
    commit: () => note("commit"),
    rollback: () => note("rollback"),
  };
}
