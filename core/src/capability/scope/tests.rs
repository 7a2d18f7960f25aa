use std::vec::Vec;

use super::*;

fn scope(tags: &[&str]) -> Scope {
    let mut set = CapabilitySet::new();
    for tag in tags {
        set.insert_tag(tag).unwrap();
    }
    Scope::of(&set)
}

#[test]
fn every_query_meets_every_scope_as_the_table_says() {
    let global = scope(&["hardware.gpu"]);
    let tenant = scope(&["scope:tenant:a", "scope:tenant:b"]);
    let region = scope(&["scope:region:eu"]);
    let both = scope(&["scope:tenant:a", "scope:region:eu"]);
    let local = scope(&["scope:subnet-local", "scope:tenant:a", "scope:region:eu"]);
    let scopes = [&global, &tenant, &region, &both, &local];
    let row = |query: &ScopeQuery, same: Option<bool>| -> Vec<bool> {
        scopes.iter().map(|scope| query.admits(scope, same)).collect()
    };
    for same in [None, Some(true), Some(false)] {
        assert_eq!(row(&ScopeQuery::Any, same), [true, true, true, true, false]);
        assert_eq!(row(&ScopeQuery::GlobalOnly, same), [true, false, false, false, false]);
        assert_eq!(row(&ScopeQuery::tenants(["b", "c"]), same), [true, true, false, false, false]);
        assert_eq!(row(&ScopeQuery::tenants(["a"]), same), [true, true, false, true, false]);
        assert_eq!(row(&ScopeQuery::tenants(["eu"]), same), [true, false, false, false, false]);
        assert_eq!(row(&ScopeQuery::regions(["eu", "us"]), same), [true, false, true, true, false]);
        assert_eq!(row(&ScopeQuery::regions(["us"]), same), [true, false, false, false, false]);
    }
    assert_eq!(row(&ScopeQuery::SameSubnet, Some(true)), [true; 5]);
    assert_eq!(row(&ScopeQuery::SameSubnet, Some(false)), [false; 5]);
    // Not learned yet: better one too many than a node that nobody finds after a start.
    assert_eq!(row(&ScopeQuery::SameSubnet, None), [true; 5]);
}

#[test]
fn empty_and_unknown_scopes_are_as_if_they_were_not_there() {
    assert_eq!(scope(&["scope:tenant:", "scope:region:", "scope:global", "scope:planet:x"]), Scope::Global);
    assert_eq!(ScopeQuery::tenants(["", "a"]), ScopeQuery::tenants(["a"]));
    // A query for nobody in particular does not turn into one for everybody.
    assert!(!ScopeQuery::tenants([""]).admits(&scope(&["scope:tenant:a"]), None));
}

#[test]
fn adding_a_scope_twice_changes_nothing() {
    let mut set = CapabilitySet::new();
    assert_eq!(set.add_tenant("acme"), Ok(true));
    assert_eq!(set.add_tenant("acme"), Ok(false));
    assert_eq!(set.add_region("eu"), Ok(true));
    assert_eq!(set.set_subnet_local(), Ok(true));
    assert_eq!(set.set_subnet_local(), Ok(false));
    let tags: Vec<&str> = set.tags().iter().map(String::as_str).collect();
    assert_eq!(tags, ["scope:region:eu", "scope:subnet-local", "scope:tenant:acme"]);
    assert!(matches!(set.add_tenant(""), Err(SetError::Tag { error: TagError::NoScopeName, .. })));
}
