//! Spoils good examples: bits, bytes, tokens, numbers, nesting, lengths. What comes out is a pure
//! function of the seed and the examples.
//!
//! The random numbers are made here, in five lines, because a seed must mean the same case after an
//! update of any library.

/// Longest case, bytes: a little over the largest request that refundd looks at.
const LONGEST: usize = 1_100_000;

/// Integers and floats at which readers go wrong.
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-1",
    "1e2",
    "0.1",
    "1e999",
    "-1e999",
    "NaN",
    "00",
    "255",
    "256",
    "4294967295",
    "4294967296",
    "999999999999",
    "1000000000000",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "0x10",
    "1_000",
    "+1",
];

/// Bytes that are no text, or text that is no plain character.
const ODD_BYTES: &[&[u8]] = &[
    b"\0",
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
    b"\r\n",
    b"\x1b[2J",
    b"\\ud800",
    b"\\u0000",
    b"\\",
    b"\"",
    b"'",
    b"\"\"\"",
    b"&",
    b"=",
    b"$n",
    b"%00",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"# ",
];

/// What opens and what closes a level of nesting.
const LEVELS: &[(&str, &str)] =
    &[("[", "]"), ("{\"a\":", "}"), ("{", "}"), ("[[", "]]"), ("a.", "")];

/// Random numbers (splitmix64) for one case.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The same seed throws the same.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 where `end` is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap().max(1);
        usize::try_from(self.next() % end).unwrap()
    }

    /// True once in `n` times.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of `all`, which must not be empty.
    pub(crate) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// A range inside `0..len` of at most `longest`.
    fn range(&mut self, len: usize, longest: usize) -> std::ops::Range<usize> {
        let start = self.below(len + 1);
        start..(start + self.below(longest + 1)).min(len)
    }
}

/// One example, or two of them crossed, with one to six things wrong; sometimes nothing.
pub(crate) fn mutated(dice: &mut Dice, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = corpus[dice.below(corpus.len())].clone();
    if dice.once_in(40) {
        return bytes;
    }
    for _ in 0..=dice.below(6) {
        once(dice, &mut bytes, corpus);
        bytes.truncate(LONGEST);
    }
    bytes
}

/// One text spoilt, kept a text.
pub(crate) fn mutated_text(dice: &mut Dice, corpus: &[Vec<u8>]) -> String {
    String::from_utf8_lossy(&mutated(dice, corpus)).into_owned()
}

fn once(dice: &mut Dice, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let other = &corpus[dice.below(corpus.len())];
    match dice.below(16) {
        0 if !bytes.is_empty() => {
            let at = dice.below(bytes.len());
            bytes[at] ^= 1 << dice.below(8);
        }
        1 => {
            let more: Vec<u8> =
                (0..=dice.below(8)).map(|_| u8::try_from(dice.below(256)).unwrap()).collect();
            insert(dice, bytes, &more);
        }
        2 => drop(bytes.drain(dice.range(bytes.len(), 16))),
        3 => {
            bytes.truncate(dice.below(bytes.len() + 1));
            bytes.extend_from_slice(&other[dice.below(other.len() + 1)..]);
        }
        4 => {
            let fragment = bytes[dice.range(bytes.len(), 40)].to_vec();
            let times = 1 + dice.below(64);
            insert(dice, bytes, &fragment.repeat(times));
        }
        5 | 6 => replace_token(dice, bytes, |text| text.iter().any(u8::is_ascii_digit), None),
        7 | 8 => {
            let tokens = tokens(other);
            if !tokens.is_empty() {
                let token = other[tokens[dice.below(tokens.len())].clone()].to_vec();
                replace_token(dice, bytes, |_| true, Some(&token));
            }
        }
        9 => nest(dice, bytes),
        10 if dice.once_in(3) => bytes.truncate(dice.below(bytes.len() + 1)),
        11 => {
            let longest = if dice.once_in(150) { 1_100_000 } else { 600 };
            let letter = dice.of(&[b"x", b"9", b" ", b"\\", b"\"", b"["]);
            let more = letter.repeat(dice.below(longest));
            insert(dice, bytes, &more);
        }
        12 | 13 => repeat_entry(dice, bytes, other),
        _ => {
            let odd = dice.of(ODD_BYTES);
            insert(dice, bytes, odd);
        }
    }
}

fn insert(dice: &mut Dice, bytes: &mut Vec<u8>, more: &[u8]) {
    let at = dice.below(bytes.len() + 1);
    bytes.splice(at..at, more.iter().copied());
}

/// Runs of letters, digits and what numbers and names are written with.
fn tokens(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let in_token = |b: &u8| b.is_ascii_alphanumeric() || b"_-.+".contains(b);
    let mut found = Vec::new();
    let mut at = 0;
    for run in bytes.chunk_by(|a, b| in_token(a) == in_token(b)) {
        if in_token(&run[0]) {
            found.push(at..at + run.len());
        }
        at += run.len();
    }
    found
}

/// Puts `with`, or else an extreme number, in the place of a token that fits.
fn replace_token(
    dice: &mut Dice,
    bytes: &mut Vec<u8>,
    fits: impl Fn(&[u8]) -> bool,
    with: Option<&[u8]>,
) {
    let mut fitting = tokens(bytes);
    fitting.retain(|range| fits(&bytes[range.clone()]));
    if !fitting.is_empty() {
        let range = fitting[dice.below(fitting.len())].clone();
        let with = with.unwrap_or_else(|| dice.of(NUMBERS).as_bytes());
        bytes.splice(range, with.iter().copied());
    }
}

/// Opens many levels, and closes as many, or not.
fn nest(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let (open, close) = dice.of(LEVELS);
    let deepest = if dice.once_in(100) { 100_000 } else { 300 };
    let levels = dice.below(deepest);
    let middle = dice.of(&["", "1", "\"a\":1", "null"]);
    let mut nested = format!("{}{middle}", open.repeat(levels));
    if !dice.once_in(3) {
        nested.push_str(&close.repeat(levels));
    }
    if dice.once_in(2) {
        replace_token(dice, bytes, |_| true, Some(nested.as_bytes()));
    } else {
        insert(dice, bytes, nested.as_bytes());
    }
}

/// Copies what stands between two separators of this or another example behind a separator: a field
/// that is written twice, a line of another section.
fn repeat_entry(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
    let separators = |text: &[u8]| -> Vec<usize> {
        text.iter().enumerate().filter(|(_, b)| b",\n{ ".contains(b)).map(|(at, _)| at).collect()
    };
    let (here, there) = (separators(bytes), separators(other));
    if here.is_empty() || there.len() < 2 {
        return;
    }
    let from = dice.below(there.len() - 1);
    let entry = other[there[from] + 1..there[from + 1]].to_vec();
    let separator = [other[there[from + 1]]];
    let at = here[dice.below(here.len())] + 1;
    bytes.splice(at..at, entry.into_iter().chain(separator));
}
