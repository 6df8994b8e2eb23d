//! A name server that answers as a test lists.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// Answers with what a test says, one answer per question and the last one for ever.
#[derive(Default)]
pub struct NameServer {
    answers: Mutex<BTreeMap<String, VecDeque<Vec<IpAddr>>>>,
    asked: Mutex<Vec<String>>,
}

impl NameServer {
    /// Each name with its answers, and each answer with its addresses.
    pub fn new(answers: &[(&str, &[&[&str]])]) -> Arc<Self> {
        let parse = |list: &&[&str]| list.iter().map(|address| address.parse().unwrap()).collect();
        let answers = answers.iter().map(|(name, answers)| {
            ((*name).to_owned(), answers.iter().map(parse).collect::<VecDeque<_>>())
        });
        Arc::new(Self { answers: Mutex::new(answers.collect()), ..Self::default() })
    }

    /// The names that were asked for.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// The addresses of `name`.
    pub fn look_up(&self, name: String) -> io::Result<Vec<IpAddr>> {
        let mut answers = self.answers.lock().unwrap();
        let known = answers.get_mut(&name).map(|answers| match answers.len() {
            1 => answers[0].clone(),
            _ => answers.pop_front().unwrap(),
        });
        self.asked.lock().unwrap().push(name);
        known.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such name"))
    }
}
