//! The contract of `wit/` as Rust types, generated.

#![allow(missing_docs, unreachable_pub)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "wanting-module",
    imports: {
        "lovage:task/context.progress": async,
        "lovage:task/context.checkpoint": async,
        "lovage:task/context.restore": async,
        "lovage:task/jobs.enqueue": async,
        "lovage:task/jobs.enqueue-flow": async,
        "lovage:task/jobs.enqueue-page": async,
        "wasi:config/store.get": async,
        "wasi:config/store.get-all": async,
        "wasi:keyvalue/store": async | trappable,
        "wasi:keyvalue/atomics": async | trappable,
        "wasi:keyvalue/batch": async | trappable,
        "lovage:task/sql.query": async,
        "lovage:task/sql.[static]transaction.begin": async,
        "lovage:task/sql.[method]transaction.query": async,
        "lovage:task/sql.[method]transaction.commit": async,
        "lovage:task/sql.[method]transaction.rollback": async,
        "lovage:task/sql.[drop]transaction": async,
    },
    with: {
        "wasi:keyvalue/store.bucket": crate::engine::host::keyvalue::Bucket,
        "wasi:keyvalue/atomics.cas": crate::engine::host::keyvalue::Cas,
        "lovage:task/sql.transaction": super::host::sql::Transaction,
    },
    exports: { default: async },
});
