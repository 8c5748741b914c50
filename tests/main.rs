//! The one integration test binary, by area.

mod engine;
mod fixtures;
