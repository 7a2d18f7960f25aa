use super::parse;

#[test]
fn decimal_numbers_and_inf_are_numbers() {
    let numbers = [
        ("0", 0.0),
        ("+7", 7.0),
        ("007", 7.0),
        ("-1.5", -1.5),
        ("5.", 5.0),
        (".5", 0.5),
        ("1e3", 1_000.0),
        ("1E+3", 1_000.0),
        ("25e-1", 2.5),
        ("1e999", f64::INFINITY),
        ("inf", f64::INFINITY),
        ("-inf", f64::NEG_INFINITY),
    ];
    for (text, value) in numbers {
        assert_eq!(parse(text).map(f64::to_bits), Some(value.to_bits()), "{text}");
    }
}

#[test]
fn nothing_else_is_a_number() {
    let texts = [
        "",
        "+",
        "-",
        ".",
        "e",
        "1e",
        "e1",
        ".e1",
        "1e+",
        "--1",
        "+-1",
        "1.2.3",
        "1-2",
        " 1",
        "1 ",
        "1_000",
        "1,5",
        "0x10",
        "0b1",
        "nan",
        "NaN",
        "Inf",
        "INF",
        "infinity",
        "+infinity",
        "--inf",
        "١٢",
        "1d",
        "1f64",
        "∞",
    ];
    for text in texts {
        assert_eq!(parse(text), None, "{text}");
    }
}
