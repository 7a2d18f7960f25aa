use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn set(json: &str) -> CapabilitySet {
    CapabilitySet::from_json(json).unwrap()
}

#[test]
fn a_renamed_key_is_removed_and_added() {
    let diff = Diff::between(
        &set(r#"{"metadata":{"old":"v","same":"s"}}"#),
        &set(r#"{"metadata":{"new":"v","same":"s"}}"#),
    );
    assert_eq!(
        diff.to_json(),
        concat!(
            r#"{"added_tags":[],"removed_tags":[],"metadata_changes":["#,
            r#"{"kind":"added","key":"new","value":"v"},{"kind":"removed","key":"old","prev_value":"v"}]}"#
        )
    );
}

#[test]
fn the_other_spelling_of_a_tag_is_a_change() {
    let diff =
        Diff::between(&set(r#"{"tags":["software.os=linux"]}"#), &set(r#"{"tags":["software.os:linux"]}"#));
    assert_eq!((diff.added_tags.len(), diff.removed_tags.len()), (1, 1));
}

fn any_set() -> impl Strategy<Value = CapabilitySet> {
    let tags = prop::collection::vec("[a-d]", 0..6);
    let metadata = prop::collection::vec(("[a-d]", "[a-b]"), 0..6);
    (tags, metadata).prop_map(|(tags, metadata)| {
        let mut set = CapabilitySet::new();
        for tag in tags {
            set.insert_tag(&tag).unwrap();
        }
        for (key, value) in metadata {
            set.insert_metadata(&key, &value).unwrap();
        }
        set
    })
}

proptest! {
    #[test]
    fn the_difference_leads_from_one_to_the_other(before in any_set(), after in any_set()) {
        let diff = Diff::between(&before, &after);
        prop_assert_eq!(diff.is_empty(), before == after);
        prop_assert!(diff.metadata_changes.is_sorted_by_key(|change| change.key().chars().next()));
        let mut tags = before.tags().clone();
        for tag in &diff.removed_tags {
            prop_assert!(tags.remove(tag));
        }
        for tag in diff.added_tags {
            prop_assert!(tags.insert(tag));
        }
        prop_assert_eq!(&tags, after.tags());
        let mut metadata: BTreeMap<String, String> = before.metadata().clone();
        for change in diff.metadata_changes {
            match change {
                MetadataChange::Added { key, value } => prop_assert_eq!(metadata.insert(key, value), None),
                MetadataChange::Removed { key, prev_value } => prop_assert_eq!(metadata.remove(&key), Some(prev_value)),
                MetadataChange::Updated { key, prev_value, new_value } => {
                    prop_assert_eq!(metadata.insert(key, new_value), Some(prev_value));
                }
            }
        }
        prop_assert_eq!(&metadata, after.metadata());
    }
}
