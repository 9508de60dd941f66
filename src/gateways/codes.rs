//! What an error code of a gateway means for a refund.
//!
//! Each protocol has one table of [`CodeRow`]s. The tables are positive lists: a code that stands in
//! none of them is [`Class::Ambiguous`], whatever it sounds like.

/// What follows from a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Definitely not executed. Queries must still confirm it.
    NotExecuted,
    /// Not taken, to be sent again with the same number after this wait.
    PutOff {
        /// The wait, ms.
        retry_after_ms: u64,
    },
    /// Answer to a refund query: no such refund. In answer to a submit it settles nothing.
    NotFound,
    /// May or may not have been executed: query first.
    Ambiguous,
}

/// One code of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRow {
    /// The code as the gateway spells it.
    pub code: &'static str,
    /// What the gateway says it means.
    pub meaning: &'static str,
    /// What follows from it.
    pub class: Class,
    /// Where the meaning and the class come from.
    pub source: &'static str,
}

/// The class of `code` in `table`; [`Class::Ambiguous`] for a code that nobody has listed.
pub fn class_of(table: &[CodeRow], code: &str) -> Class {
    table.iter().find(|row| row.code == code).map_or(Class::Ambiguous, |row| row.class)
}
