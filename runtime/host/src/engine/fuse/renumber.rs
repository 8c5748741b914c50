//! How the code of a member changes: its numbers become those of the one module.

use std::collections::{BTreeSet, HashMap};

use wasm_encoder::Instruction;
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasmparser::Operator;

use super::outline::{Number, Space};

/// What a global has that never changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Constant {
    I32(i32),
    I64(i64),
}

/// What stands where, as a member's code asks.
pub(super) struct Renumber<'m> {
    /// Of each thing that the member knows by a number, the new one.
    pub(super) numbers: &'m HashMap<Number, u32>,
    /// How many types, segments of elements and of data stand before its own.
    pub(super) types: u32,
    pub(super) elements: u32,
    pub(super) data: u32,
    /// Globals of the one module that are constants.
    pub(super) constants: &'m HashMap<u32, Constant>,
    /// Functions whose references code takes: these must be declared.
    pub(super) referred: &'m mut BTreeSet<u32>,
}

/// A number that the member has nothing for.
#[derive(Debug, thiserror::Error)]
#[error("a number of nothing")]
pub(super) struct Unknown;

type Result<T> = std::result::Result<T, Error<Unknown>>;

impl Renumber<'_> {
    fn number(&self, space: Space, index: u32) -> Result<u32> {
        let number = self.numbers.get(&(space, index)).copied();
        number.ok_or(Error::UserError(Unknown))
    }
}

impl Reencode for Renumber<'_> {
    type Error = Unknown;

    fn type_index(&mut self, index: u32) -> Result<u32> {
        Ok(self.types + index)
    }

    fn element_index(&mut self, index: u32) -> Result<u32> {
        Ok(self.elements + index)
    }

    fn data_index(&mut self, index: u32) -> Result<u32> {
        Ok(self.data + index)
    }

    fn function_index(&mut self, index: u32) -> Result<u32> {
        self.number(Space::Func, index)
    }

    fn table_index(&mut self, index: u32) -> Result<u32> {
        self.number(Space::Table, index)
    }

    fn memory_index(&mut self, index: u32) -> Result<u32> {
        self.number(Space::Memory, index)
    }

    fn global_index(&mut self, index: u32) -> Result<u32> {
        self.number(Space::Global, index)
    }

    fn instruction<'a>(&mut self, operator: Operator<'a>) -> Result<Instruction<'a>> {
        match operator {
            // What a library asks for its own place: so its segments stand where everybody can see,
            // and wasmtime need not write them at each instantiation.
            Operator::GlobalGet { global_index } => {
                let global = self.global_index(global_index)?;
                Ok(match self.constants.get(&global) {
                    Some(Constant::I32(value)) => Instruction::I32Const(*value),
                    Some(Constant::I64(value)) => Instruction::I64Const(*value),
                    None => Instruction::GlobalGet(global),
                })
            }
            Operator::RefFunc { function_index } => {
                let function = self.function_index(function_index)?;
                self.referred.insert(function);
                Ok(Instruction::RefFunc(function))
            }
            other => utils::instruction(self, other),
        }
    }
}
