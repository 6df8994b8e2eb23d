//! Operations without an answer: what they sent, and the rules that decide what became of them.

pub mod evidence;
pub(crate) mod sent_cells;
