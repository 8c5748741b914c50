//! The attributes of the Lovage SDK for Rust. Authors use them through `lovage`, which documents them.
//!
//! # Layout
//!
//! - `options`: what stands in the parentheses of `#[task(…)]`
//! - `batch`: that its calls are collected, and what its function looks like then
//! - `schedule`: those of them that say when a task is called by itself
//! - `values`: durations, sizes, rates and names, as they are written
//! - `function`: the function below the attribute
//! - `expand`: both put together into a registered task

mod batch;
mod expand;
mod function;
mod options;
mod schedule;
mod values;

use proc_macro::TokenStream;

/// Makes a function a task. See `lovage::task`.
#[proc_macro_attribute]
pub fn task(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::task(attribute.into(), item.into()).into()
}

/// Makes a type one that tasks take or return. See `lovage::data`.
#[proc_macro_attribute]
pub fn data(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::data(attribute.into(), item.into()).into()
}
