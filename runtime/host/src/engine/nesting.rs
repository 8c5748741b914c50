//! How deep a module is nested, before a compiler sees it.
//!
//! A compiler keeps something for each block that is open, and what it does with a tree of
//! millions grows faster than the tree. No toolchain comes near these bounds.

use wasmparser::{Operator, Parser, Payload};

use super::module::Refusal;

/// Blocks that may be open at once. A large `switch` is a block for each of its cases.
const BLOCKS: usize = 20_000;
/// Components and modules that may lie in each other.
const PARTS: usize = 50;

/// Refuses what is nested too deep. What cannot be read is not its business: whoever
/// compiles it says so better.
pub(super) fn check(module: &[u8]) -> Result<(), Refusal> {
    let mut parts = 0;
    for payload in Parser::new(0).parse_all(module) {
        match payload {
            Ok(Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) => {
                parts += 1;
                if parts > PARTS {
                    let text = format!("more than {PARTS} components lie in each other");
                    return Err(Refusal::TooDeep(text));
                }
            }
            // Also that of the outermost, whose begin is not told.
            Ok(Payload::End(_)) => parts = parts.saturating_sub(1),
            Ok(Payload::CodeSectionEntry(body)) => blocks(&body)?,
            Ok(_) => {}
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

fn blocks(body: &wasmparser::FunctionBody<'_>) -> Result<(), Refusal> {
    let Ok(operators) = body.get_operators_reader() else {
        return Ok(());
    };
    let mut open: usize = 0;
    for operator in operators {
        match operator {
            Ok(
                Operator::Block { .. }
                | Operator::Loop { .. }
                | Operator::If { .. }
                | Operator::TryTable { .. },
            ) => {
                open += 1;
                if open > BLOCKS {
                    let text = format!("a function has more than {BLOCKS} blocks in each other");
                    return Err(Refusal::TooDeep(text));
                }
            }
            Ok(Operator::End) => open = open.saturating_sub(1),
            Ok(_) => {}
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(blocks: usize) -> Vec<u8> {
        let code = "block ".repeat(blocks) + &"end ".repeat(blocks);
        wat::parse_str(format!("(module (func {code}))")).unwrap()
    }

    #[test]
    fn what_is_nested_too_deep_is_told_and_what_is_long_is_not() {
        assert_eq!(check(&nested(BLOCKS)), Ok(()));
        assert!(matches!(
            check(&nested(BLOCKS + 1)),
            Err(Refusal::TooDeep(_))
        ));
        let long = "block end ".repeat(2 * BLOCKS);
        let long = wat::parse_str(format!("(module (func {long}))")).unwrap();
        assert_eq!(check(&long), Ok(()));
        assert_eq!(check(b"\0asm\x0d\0\x01\0nonsense"), Ok(()));
    }

    #[test]
    fn components_in_components_are_bounded_and_many_beside_each_other_are_not() {
        let inner = |n: usize| "(component ".repeat(n) + &")".repeat(n);
        let deep = wat::parse_str(inner(PARTS + 2)).unwrap();
        assert!(matches!(check(&deep), Err(Refusal::TooDeep(_))));
        let many = format!("(component {})", "(component) ".repeat(PARTS + 10));
        assert_eq!(check(&wat::parse_str(many).unwrap()), Ok(()));
    }
}
