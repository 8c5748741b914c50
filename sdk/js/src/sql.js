// Statements in databases that the operator has named.

import * as host from "#sql";
import { SqlError } from "./failure.js";
import { fromValue, toValue } from "./sqlvalue.js";

/** What a statement brought back. */
class Rows {
  constructor({ columns, rows, affected }) {
    // Of columns of one name the first counts.
    const firsts = [...columns.keys()].filter((at) => columns.indexOf(columns[at]) === at);
    this.columns = columns;
    this.rows = rows.map((row) => Object.fromEntries(firsts.map((at) => [columns[at], fromValue(row[at])])));
    this.affected = Number(affected);
  }

  /** The one row that there is. */
  one() {
    const { length } = this.rows;
    if (length === 1) return this.rows[0];
    throw new SqlError("rows", `one row was asked for, and there ${length ? `are ${length}` : "is none"}`);
  }
}

class Transaction {
  #open;

  constructor(open) {
    this.#open = open;
  }

  query(statement, parameters = []) {
    if (!this.#open) throw new SqlError("invalid", "invalid: the transaction is over");
    return new Rows(this.#open.query(statement, values(parameters)));
  }

  commit() {
    this.#over().commit();
  }

  /** Whoever rolls back has an error of his own: that one is told. */
  rollback() {
    try {
      this.#over().rollback();
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
    }
  }

  #over() {
    const open = this.#open;
    this.#open = undefined;
    return open;
  }
}

const values = (parameters) => parameters.map((it, index) => toValue(it, index + 1));

/** Carries one statement out, in a transaction of its own. */
function query(connection, statement, parameters = []) {
  return new Rows(host.query(connection, statement, values(parameters)));
}

/** Carries out all that `body` does, or nothing where it throws. */
function transaction(connection, body) {
  const open = new Transaction(host.begin(connection));
  const done = (result) => {
    open.commit();
    return result;
  };
  const failed = (thrown) => {
    open.rollback();
    throw thrown;
  };
  let result;
  try {
    result = body(open);
  } catch (thrown) {
    return failed(thrown);
  }
  return typeof result?.then === "function" ? result.then(done, failed) : done(result);
}

export const sql = { query, transaction };
