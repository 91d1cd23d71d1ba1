//! PyTorch's eager loop over the same requests, where python3 has PyTorch with CUDA.

use std::process::Command;

use super::report::Side;

const SCRIPT: &str = r#"
import sys, time, torch
count = int(sys.argv[1])
x = torch.tensor([float(i % 4) for i in range(256)], device="cuda")
source = [torch.arange(256, dtype=torch.float32).add_(float(i)).pin_memory() for i in range(64)]
out = [torch.empty(256, pin_memory=True) for _ in range(64)]
def request(i, wait):
    y = source[i % 64].to("cuda", non_blocking=True)
    for factor in (1.0, 2.0, 4.0):
        y.add_(x, alpha=factor)
    out[i % 64].copy_(y, non_blocking=True)
    if wait:
        torch.cuda.synchronize()
for wait in (True, False):
    for turn in range(2):
        torch.cuda.synchronize()
        begun = time.perf_counter()
        for i in range(count):
            request(i, wait)
        torch.cuda.synchronize()
        spent = time.perf_counter() - begun
    for i in range(64):
        assert torch.equal(out[i], source[i] + 7 * x.cpu()), i
    print(spent / count * 1e9)
"#;

/// ns for a request, with a wait each and without.
pub fn requests(quick: bool) -> Result<Vec<Side>, String> {
    let count = if quick { "200" } else { "2000" };
    let run =
        Command::new("python3").args(["-c", SCRIPT, count]).output().map_err(|error| format!("python3: {error}"))?;
    if !run.status.success() {
        let said = String::from_utf8_lossy(&run.stderr);
        return Err(said.lines().last().unwrap_or("python3 failed").to_owned());
    }
    let said = String::from_utf8_lossy(&run.stdout);
    let found: Vec<f64> = said.lines().filter_map(|line| line.trim().parse().ok()).collect();
    let names = ["PyTorch, eager, wait each", "PyTorch, eager, one wait"];
    Ok(names.iter().zip(found).map(|(way, ns)| Side { way: (*way).into(), ns, all: vec![ns] }).collect())
}
