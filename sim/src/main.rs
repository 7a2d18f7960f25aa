use lacewing_sim::{plan::Plan, seed::Seed, engine::*, des::Des, oracle};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let plan = Plan::load(&a[1]).unwrap();
    let (lo, hi): (u64, u64) = (a[2].parse().unwrap(), a[3].parse().unwrap());
    let start = std::time::Instant::now();
    let mut tally = Tally::default();
    let mut bad = std::collections::BTreeMap::<String, u32>::new();
    for s in lo..hi {
        let run = plan.expand(Seed(s));
        if std::env::var("DUMP").is_ok() { print!("{}", run.to_text()); }
        let mut sink = |_: u64, l: std::fmt::Arguments<'_>| println!("{l}");
        let mut o = Options { inject: std::env::var("INJ").ok(), ..Default::default() };
        if std::env::var("TRACE").is_ok() { o.trace = Some(&mut sink); }
        let out = Des.execute(&run, &mut o);
        tally.add(&out.tally);
        if let Some(e) = &out.harness_error { println!("{s}: HARNESS {e}"); }
        let v = oracle::ask_all(&run, &out.history);
        let mut seen = std::collections::BTreeSet::new();
        for v in v { if seen.insert(v.oracle.clone()) { let c = bad.entry(v.oracle.clone()).or_default(); *c += 1; if *c <= 4 { println!("{s}: {} n{} t={} {}", v.oracle, v.node, v.t, v.text); } } }
    }
    let e = start.elapsed();
    println!("{:?} {} events {} sim calls {} ok {} {:?}\n{:?}\n{:?}", e, tally.events, tally.simulated, tally.calls, tally.answered, tally.faults, bad, tally.marks);
}
