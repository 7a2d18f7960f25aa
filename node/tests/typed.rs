//! Rust types as arguments, answers and items: within a node, to a neighbour, and through a relay.
#![cfg(feature = "typed")]

mod stage;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lacewing::typed::{TypedItemSender, TypedUploads, decode, encode};
use lacewing::{Action, Code, Codec, Error, Node, Payload, Request, Retry, SchemaId, Shape, Uploads};
use serde::{Deserialize, Serialize};
use stage::{Stage, json, within};

scenarios!(
    types_come_back_in_every_codec,
    what_does_not_decode_is_refused_before_the_handler_runs,
    an_answer_that_does_not_decode_says_that_the_work_was_done,
    an_action_is_called_in_the_codec_that_it_announces,
    items_have_types_too,
    typed_calls_have_policies_too,
    uploads_and_their_answers_have_types_too,
    both_directions_have_types_too,
    a_typed_action_has_one_shape,
);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    item: String,
    counts: BTreeMap<String, u64>,
    note: Option<String>,
    prices: Vec<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Receipt {
    Refused { why: String },
    Done(Order, u64),
}

fn order() -> Order {
    let counts = [("small".to_owned(), 3), ("a large one".to_owned(), u64::MAX)].into();
    Order { item: "tea".to_owned(), counts, note: None, prices: vec![1.5, 0.1, -0.0] }
}

async fn buy(order: Order, request: Request) -> Result<Receipt, Error> {
    if order.prices.is_empty() {
        return Ok(Receipt::Refused { why: format!("{} has no price", request.action()) });
    }
    let count = order.counts.values().fold(0, |sum: u64, count| sum.saturating_add(*count));
    Ok(Receipt::Done(order, count))
}

const CODECS: [(Codec, &str); 3] =
    [(Codec::Json, "buy/json"), (Codec::MessagePack, "buy/messagepack"), (Codec::Cbor, "buy/cbor")];

async fn types_come_back_in_every_codec(stage: Stage) {
    let nodes = stage.line(3).await;
    for server in &nodes {
        for (codec, path) in CODECS {
            let schema = SchemaId::Name("shop-v1".to_owned());
            server.serve_typed(Action::new(path).codec(codec).schema(schema), buy).unwrap();
        }
        let full = order();
        for (codec, path) in CODECS {
            let call = nodes[0].call_typed::<Order, Receipt>(path, &full).to(server.node_id()).codec(codec);
            let receipt = within(call.into_future()).await.unwrap();
            assert_eq!(receipt, Receipt::Done(order(), u64::MAX));
            let free = Order { prices: Vec::new(), ..order() };
            let call = nodes[0].call_typed::<Order, Receipt>(path, &free).to(server.node_id()).codec(codec);
            let receipt = within(call.into_future()).await.unwrap();
            assert_eq!(receipt, Receipt::Refused { why: format!("{path} has no price") });
            // The same by hand, as another language would.
            let payload = encode(codec, &order()).unwrap();
            let answer =
                within(nodes[0].call(path, payload).to(server.node_id()).into_future()).await.unwrap();
            assert_eq!(answer.codec, codec);
            assert_eq!(decode::<Receipt>(&answer).unwrap(), Receipt::Done(order(), u64::MAX));
        }
    }
}

async fn what_does_not_decode_is_refused_before_the_handler_runs(stage: Stage) {
    let nodes = stage.line(3).await;
    for server in &nodes {
        let runs = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&runs);
        let double = move |numbers: Vec<u32>, _: Request| {
            count.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Ok(numbers.iter().map(|number| number * 2).collect::<Vec<_>>()))
        };
        server.serve_typed("double", double).unwrap();
        for (payload, wanted) in [
            (json("[1, 2"), "no such json: EOF while parsing a list, at line 1, column 5"),
            (json(r#"[1, "secret"]"#), "no such json: expected u32, at line 1, column 12"),
            (json(""), "no such json: EOF while parsing a value, at line 1, column 0"),
            (Payload::from("[1, 2]"), "double reads json, and was sent raw payload"),
            (encode(Codec::Cbor, &[1, 2]).unwrap(), "double reads json, and was sent cbor"),
            (encode(Codec::MessagePack, &[1, 2]).unwrap(), "double reads json, and was sent messagepack"),
        ] {
            let call = nodes[0].call("double", payload).to(server.node_id());
            let error = within(call.into_future()).await.unwrap_err();
            assert_eq!((error.code(), error.message()), (Code::Codec, wanted));
        }
        assert_eq!(runs.load(Ordering::Relaxed), 0);
        let call = nodes[0].call_typed::<[u32], Vec<u32>>("double", &[1, 2]).to(server.node_id());
        assert_eq!(within(call.into_future()).await.unwrap(), [2, 4]);
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }
}

async fn an_answer_that_does_not_decode_says_that_the_work_was_done(stage: Stage) {
    let nodes = stage.line(2).await;
    nodes[1].serve_typed("text", async |(): (), _: Request| Ok("seven")).unwrap();
    // Not even the handler's side can write this: JSON has no such keys.
    let odd = async |(): (), _: Request| Ok(BTreeMap::from([(vec![1], 2)]));
    nodes[1].serve_typed("odd", odd).unwrap();
    let to = nodes[1].node_id();
    let number = nodes[0].call_typed::<(), u32>("text", &()).to(to);
    let error = within(number.into_future()).await.unwrap_err();
    assert_eq!(
        (error.code(), error.message()),
        (Code::Codec, "no such json: expected u32, at line 1, column 7")
    );
    assert!(error.maybe_executed());
    let odd = nodes[0].call_typed::<(), ()>("odd", &()).to(to);
    let error = within(odd.into_future()).await.unwrap_err();
    assert_eq!(error.code(), Code::Codec);
    assert!(error.maybe_executed() && error.message().starts_with("cannot be written as json"), "{error}");
    // What cannot be written is not even sent.
    let keys = BTreeMap::from([(vec![1], 2)]);
    let call = nodes[0].call_typed::<_, ()>("text", &keys).to(to);
    let error = within(call.into_future()).await.unwrap_err();
    assert_eq!(error.code(), Code::Codec);
    assert!(!error.maybe_executed());
}

async fn an_action_is_called_in_the_codec_that_it_announces(stage: Stage) {
    let nodes = stage.line(3).await;
    let sorts = |path: &str, codec| Action::new(path).codec(codec).version("1.0.0");
    for (server, codec) in nodes.iter().zip([Codec::Cbor, Codec::MessagePack, Codec::Cbor]) {
        let codec_of = async |text: String, request: Request| Ok((text, request.payload.codec as u8));
        server.serve_typed(sorts("codec_of", codec), codec_of).unwrap();
    }
    for (server, codec) in nodes.iter().zip([Codec::Cbor, Codec::MessagePack, Codec::Cbor]) {
        let known = |node: &Node| {
            let providers = node.providers("codec_of");
            providers.into_iter().find(|(node, _)| *node == server.node_id()).map(|(_, entry)| entry)
        };
        let entry = within(nodes[0].wait_until(known)).await.unwrap();
        assert_eq!((entry.codec, entry.shape), (Some(codec), Shape::Unary));
        let call = nodes[0].call_typed::<str, (String, u8)>("codec_of", "hi").to(server.node_id());
        assert_eq!(within(call.into_future()).await.unwrap(), ("hi".to_owned(), codec as u8));
    }
}

async fn items_have_types_too(stage: Stage) {
    let nodes = stage.line(3).await;
    for server in &nodes {
        let squares = async |upto: u32, _: Request, items: TypedItemSender<(u32, u64)>| {
            for number in 1..=upto {
                items.send(&(number, u64::from(number).pow(2))).await?;
            }
            Ok(())
        };
        server.serve_stream_typed(Action::new("squares").codec(Codec::Cbor), squares).unwrap();
        let sum = async |_: Request, uploads: Uploads| {
            let (mut numbers, mut sum) = (uploads.typed::<i64>(), 0);
            while let Some(number) = numbers.try_next().await? {
                sum += number;
            }
            encode(Codec::Json, &sum)
        };
        server.serve_upload("sum", sum).unwrap();

        let call = nodes[0].call_stream_typed::<u32, (u32, u64)>("squares", &1_000).codec(Codec::Cbor);
        let mut items = call.to(server.node_id()).await.unwrap();
        let mut heard = Vec::new();
        while let Some(item) = within(items.try_next()).await.unwrap() {
            heard.push(item);
        }
        let expected: Vec<(u32, u64)> =
            (1..=1_000).map(|number| (number, u64::from(number).pow(2))).collect();
        assert_eq!(heard, expected);

        // An item of another type is an error in its place.
        let call = nodes[0].call_stream_typed::<u32, (u32, u8)>("squares", &17).codec(Codec::Cbor);
        let mut items = call.to(server.node_id()).await.unwrap();
        for number in 1..=15 {
            assert_eq!(within(items.try_next()).await.unwrap(), Some((number, (number * number) as u8)));
        }
        let error = within(items.try_next()).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::Codec, "no such cbor: expected u8, at byte 2"));

        let upload = nodes[0].upload("sum", ()).to(server.node_id()).await.unwrap();
        for number in [1_i64, 2, 39] {
            // In whatever codec each comes.
            within(upload.send(encode(Codec::Cbor, &number).unwrap())).await.unwrap();
            within(upload.send(encode(Codec::MessagePack, &-number).unwrap())).await.unwrap();
        }
        assert_eq!(decode::<i64>(&within(upload.finish()).await.unwrap()).unwrap(), 0);
        let upload = nodes[0].upload("sum", ()).to(server.node_id()).await.unwrap();
        within(upload.send(json("\"one\""))).await.unwrap();
        let error = within(upload.finish()).await.unwrap_err();
        assert_eq!(
            (error.code(), error.message()),
            (Code::Codec, "no such json: expected i64, at line 1, column 5")
        );
    }
}

async fn typed_calls_have_policies_too(stage: Stage) {
    let nodes = stage.line(2).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let third_time = move |(): (), _: Request| {
        let busy = count.fetch_add(1, Ordering::Relaxed) < 2;
        let answer = if busy { Err(Error::new(Code::ResourceExhausted, "later")) } else { Ok(7) };
        std::future::ready(answer)
    };
    nodes[1].serve_typed("third_time", third_time).unwrap();
    let call = nodes[0].call_typed::<(), u32>("third_time", &()).to(nodes[1].node_id());
    assert_eq!(within(call.idempotent().retry(Retry::default()).into_future()).await.unwrap(), 7);
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

async fn uploads_and_their_answers_have_types_too(stage: Stage) {
    let nodes = stage.line(3).await;
    for (server, codec) in nodes.iter().zip([Codec::Json, Codec::MessagePack, Codec::Cbor]) {
        let total = async |factor: u64, _: Request, mut orders: TypedUploads<Order>| {
            let (mut items, mut sum) = (Vec::new(), 0);
            while let Some(order) = orders.try_next().await? {
                sum += order.counts.values().map(|count| count % 100 * factor).sum::<u64>();
                items.push(order.item);
            }
            Ok((items, sum))
        };
        server.serve_upload_typed(Action::new("total").codec(codec), total).unwrap();
        let call = nodes[0].upload_typed::<u64, Order, (Vec<String>, u64)>("total", &10).codec(codec);
        let upload = call.to(server.node_id()).await.unwrap();
        for item in ["tea", "salt"] {
            let counts = [("small".to_owned(), 3), ("large".to_owned(), 4)].into();
            within(upload.send(&Order { item: item.to_owned(), counts, ..order() })).await.unwrap();
        }
        let total = within(upload.finish()).await.unwrap();
        assert_eq!(total, (vec!["tea".to_owned(), "salt".to_owned()], 140));

        // The answer is there, and is of another type.
        let call = nodes[0].upload_typed::<u64, Order, String>("total", &10).codec(codec);
        let error = within(call.to(server.node_id()).await.unwrap().finish()).await.unwrap_err();
        assert_eq!(error.code(), Code::Codec);
        assert!(error.maybe_executed());
        // So is an item.
        let call = nodes[0].upload_typed::<u64, str, (Vec<String>, u64)>("total", &10).codec(codec);
        let upload = call.to(server.node_id()).await.unwrap();
        within(upload.send("tea")).await.unwrap();
        assert_eq!(within(upload.finish()).await.unwrap_err().code(), Code::Codec);
        // What cannot be written is not even begun.
        let keys = BTreeMap::from([(vec![1], 2)]);
        let call = nodes[0].upload_typed::<_, str, ()>("total", &keys).codec(Codec::Json);
        let error = call.to(server.node_id()).await.unwrap_err();
        assert_eq!((error.code(), error.maybe_executed()), (Code::Codec, false));
    }
}

async fn both_directions_have_types_too(stage: Stage) {
    let nodes = stage.line(3).await;
    for (server, codec) in nodes.iter().zip([Codec::Json, Codec::MessagePack, Codec::Cbor]) {
        let buys = async |shop: String,
                          _: Request,
                          mut orders: TypedUploads<Order>,
                          receipts: TypedItemSender<(String, Order)>| {
            while let Some(order) = orders.try_next().await? {
                receipts.send(&(shop.clone(), order)).await?;
            }
            Ok(())
        };
        server.serve_bidirectional_typed(Action::new("buys").codec(codec), buys).unwrap();
        let call = nodes[0].open_typed::<str, Order, (String, Order)>("buys", "corner").codec(codec);
        let mut both = call.to(server.node_id()).await.unwrap();
        within(both.send(&order())).await.unwrap();
        assert_eq!(within(both.try_next()).await.unwrap(), Some(("corner".to_owned(), order())));
        // In halves, and each item behind the one before it.
        let (sender, mut receipts) = both.split();
        for count in 0..50 {
            let numbered = Order { prices: vec![f64::from(count)], ..order() };
            within(sender.send(&numbered)).await.unwrap();
        }
        sender.finish();
        for count in 0..50 {
            let (_, order) = within(receipts.try_next()).await.unwrap().unwrap();
            assert_eq!(order.prices, [f64::from(count)]);
        }
        assert_eq!(within(receipts.try_next()).await.unwrap(), None);
    }
}

async fn a_typed_action_has_one_shape(stage: Stage) {
    let nodes = stage.line(2).await;
    nodes[1].serve_typed("one", async |number: u32, _: Request| Ok(number)).unwrap();
    let many = async |number: u32, _: Request, items: TypedItemSender<u32>| items.send(&number).await;
    nodes[1].serve_stream_typed("many", many).unwrap();
    let to = nodes[1].node_id();
    let error = within(nodes[0].call_typed::<u32, u32>("many", &1).to(to).into_future()).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(!error.maybe_executed());
    // One answer is a stream of one.
    let mut items = nodes[0].call_stream_typed::<u32, u32>("one", &1).to(to).await.unwrap();
    assert_eq!(within(items.try_next()).await.unwrap(), Some(1));
    assert_eq!(within(items.try_next()).await.unwrap(), None);
}
