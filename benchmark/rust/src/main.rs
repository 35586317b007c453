//! Measures this machine's limits and the kernels of search and fit, one request at a time, so that the caller can alternate them
//! with any other program: a JSON object per line on standard input, its answer on standard output.
//!
//! It times; medians, ratios and goals are the business of `benchmark/run.mjs`. See `benchmark/README.md`.

mod curvature;
mod dataset;
mod error;
mod limits;
mod program;
mod request;
mod subject;

use std::io::{self, BufRead, Write};

use serde_json::json;

fn main() -> io::Result<()> {
    let mut program = program::Program::default();
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = match request::parse(&line?).and_then(|request| program.run(request)) {
            Ok(answer) => answer,
            Err(error) => json!({ "error": error.to_string() }),
        };
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}
