//! Rules as people write them.

use lacewing::PublicKey;
use lacewing::access::{Rule, Who};
use lacewing::token::{Right, Rights};

const WRONG: &str =
    "write RIGHTS PATTERN WHO, for example \"call orders/> token\" or \"call,publish news/* node:ID\"";
const WHO: &str = "who is one of anyone, network-key, token, token:KEY, node:ID[,ID], tag:TAG";

/// Reads a right by its name.
pub(crate) fn parse_right(text: &str) -> Result<Right, String> {
    Right::from_name(text).ok_or_else(|| {
        let names: Vec<&str> = Right::ALL.iter().map(|right| right.name()).collect();
        format!("rights are {}", names.join(", "))
    })
}

/// Reads `call,publish orders/> token`: rights, a pattern, and who.
pub(crate) fn parse_rule(text: &str) -> Result<Rule, String> {
    let mut words = text.split_whitespace();
    let (Some(rights), Some(pattern), Some(who), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(WRONG.to_owned());
    };
    let rights: Rights = rights.split(',').map(parse_right).collect::<Result<_, _>>()?;
    let pattern = pattern.parse().map_err(|error| format!("the pattern {pattern:?}: {error}"))?;
    Ok(Rule::new(rights, pattern, parse_who(who)?))
}

fn parse_who(text: &str) -> Result<Who, String> {
    match text.split_once(':') {
        None => match text {
            "anyone" => Ok(Who::Anyone),
            "network-key" => Ok(Who::NetworkKey),
            "token" => Ok(Who::Token),
            _ => Err(WHO.to_owned()),
        },
        Some(("token", key)) => key
            .parse()
            .map(Who::TokenOf)
            .map_err(|error| format!("the issuer {key:?} is no public key: {error}")),
        Some(("node", ids)) => {
            let node = |id: &str| id.parse().map_err(|error| format!("the node id {id:?}: {error}"));
            ids.split(',').map(node).collect::<Result<_, _>>().map(Who::Nodes)
        }
        Some(("tag", tag)) if !tag.is_empty() => Ok(Who::Tag(tag.to_owned())),
        Some(_) => Err(WHO.to_owned()),
    }
}

/// Reads `KEY` or `KEY:GENERATION`: an issuer, and from which generation on it is believed.
pub(crate) fn parse_issuer(text: &str) -> Result<(PublicKey, u64), String> {
    let (key, generation) = text.split_once(':').unwrap_or((text, "0"));
    let key = key.parse().map_err(|error| format!("the issuer {key:?} is no public key: {error}"))?;
    let generation = generation.parse().map_err(|_| format!("the generation {generation:?} is no number"))?;
    Ok((key, generation))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";

    #[test]
    fn a_rule_has_rights_a_pattern_and_somebody() {
        let rule = parse_rule("call,publish  orders/> token").unwrap();
        assert_eq!(rule.rights, [Right::Call, Right::Publish].into_iter().collect());
        assert_eq!((rule.pattern.as_str(), rule.who), ("orders/>", Who::Token));
        let who = |text: &str| parse_rule(&format!("call a {text}")).map(|rule| rule.who);
        assert_eq!(who("anyone"), Ok(Who::Anyone));
        assert_eq!(who("network-key"), Ok(Who::NetworkKey));
        assert_eq!(who("tag:hardware.gpu"), Ok(Who::Tag("hardware.gpu".to_owned())));
        assert_eq!(who(&format!("token:{KEY}")), Ok(Who::TokenOf(KEY.parse().unwrap())));
        assert_eq!(who(&format!("node:{KEY}")), Ok(Who::node(KEY.parse().unwrap())));
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in [
            "",
            "call",
            "call a",
            "call a token more",
            "fly a token",
            "call a//b token",
            "call a somebody",
            "call a tag:",
            "call a node:xyz",
            "call a token:xyz",
            "call a role:admin",
        ] {
            assert!(parse_rule(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_issuer_may_come_with_its_generation() {
        let key = KEY.parse().unwrap();
        assert_eq!(parse_issuer(KEY), Ok((key, 0)));
        assert_eq!(parse_issuer(&format!("{KEY}:7")), Ok((key, 7)));
        assert!(parse_issuer(&format!("{KEY}:x")).is_err() && parse_issuer("x").is_err());
    }
}
