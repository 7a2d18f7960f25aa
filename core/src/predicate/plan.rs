//! How a predicate is evaluated, worked out once.
//!
//! A predicate is a circuit of and, or and not with short circuits, so evaluating it is nothing but jumping: every place
//! where a clause stands has a place to go to if it holds and another if it does not. Working these out backwards from the
//! root leaves a list of tests that needs no stack and forgets nothing, however deep the predicate is.
//!
//! A node with several parents has several places to go back to. It becomes a routine: whoever comes first notes where
//! it came from, and the result is kept for all who come later. A routine cannot come upon itself, because children
//! come before parents, so one note for each is enough.

use alloc::vec;
use alloc::vec::Vec;

use super::Node;

/// Routines whose notes are kept on the stack.
const ROUTINES_ON_STACK: usize = 64;

#[derive(Clone, Debug)]
pub(super) struct Plan {
    costs: Vec<u32>,
    /// Children of all nodes, of each in the order of evaluation.
    ordered: Vec<u16>,
    /// Where the children of each node begin in `ordered`, and one more entry for the end.
    starts: Vec<u16>,
    /// The nodes that are clauses, in ascending order.
    clauses: Vec<u16>,
    steps: Vec<Step>,
    entry: Target,
    /// Where each routine begins.
    routines: Vec<Target>,
}

/// One place at which something is asked.
#[derive(Clone, Copy, Debug)]
struct Step {
    question: Question,
    yes: Target,
    no: Target,
}

#[derive(Clone, Copy, Debug)]
enum Question {
    /// Does the clause of this number hold?
    Clause(u16),
    /// What is the result of this routine?
    Routine(u16),
}

/// Where to go: a step, the end, or the end of a routine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Target(u16);

enum Place {
    Step(usize),
    End(bool),
    EndOfRoutine(usize, bool),
}

impl Target {
    const YES: Self = Self(u16::MAX);
    const NO: Self = Self(u16::MAX - 1);
    /// From here on up a target is the end of a routine.
    const ROUTINES: u16 = 0x8000;

    /// There are fewer than [`Self::ROUTINES`] steps: one for each reference to a child, and the root.
    fn step(index: usize) -> Self {
        debug_assert!(index < usize::from(Self::ROUTINES), "{index} steps");
        Self(index as u16)
    }

    fn end_of_routine(routine: u16, result: bool) -> Self {
        Self(Self::ROUTINES | routine << 1 | u16::from(result))
    }

    #[inline]
    fn place(self) -> Place {
        match self.0 {
            index if index < Self::ROUTINES => Place::Step(usize::from(index)),
            u16::MAX => Place::End(true),
            0xfffe => Place::End(false),
            end => Place::EndOfRoutine(usize::from((end & !Self::ROUTINES) >> 1), end & 1 == 1),
        }
    }
}

/// What is known of a routine while the plan runs.
#[derive(Clone, Copy, Debug)]
struct Note {
    result: Option<bool>,
    /// The step that asked for it.
    caller: u16,
}

impl Note {
    const NEW: Self = Self { result: None, caller: 0 };
}

impl Plan {
    /// The plan of nodes that were checked.
    pub(super) fn new(nodes: &[Node], root: u16) -> Self {
        let mut costs: Vec<u32> = Vec::with_capacity(nodes.len());
        let (mut ordered, mut starts) = (Vec::new(), Vec::with_capacity(nodes.len() + 1));
        let mut clauses = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            starts.push(ordered.len() as u16);
            let start = ordered.len();
            ordered.extend_from_slice(node.children());
            ordered[start..].sort_by_key(|child| costs[usize::from(*child)]);
            let sum = node
                .children()
                .iter()
                .fold(0_u32, |sum, child| sum.saturating_add(costs[usize::from(*child)]));
            costs.push(match node {
                Node::Clause(clause) => {
                    clauses.push(index as u16);
                    clause.cost()
                }
                Node::And(_) | Node::Or(_) | Node::Not(_) => sum,
            });
        }
        starts.push(ordered.len() as u16);
        let plan = Self {
            costs,
            ordered,
            starts,
            clauses,
            steps: Vec::new(),
            entry: Target::NO,
            routines: Vec::new(),
        };
        Compiler::new(nodes, plan).compile(root)
    }

    /// The nodes that are clauses, in ascending order.
    pub(super) fn clauses(&self) -> &[u16] {
        &self.clauses
    }

    pub(super) fn cost(&self, node: usize) -> u32 {
        self.costs[node]
    }

    /// The children of a node in the order in which they are evaluated.
    pub(super) fn ordered(&self, node: usize) -> &[u16] {
        &self.ordered[usize::from(self.starts[node])..usize::from(self.starts[node + 1])]
    }

    /// Runs the plan; `holds` answers for clauses by their number.
    pub(super) fn run(&self, holds: impl FnMut(usize) -> bool) -> bool {
        match self.routines.len() {
            0 => self.run_with(&mut [], holds),
            count @ 1..=ROUTINES_ON_STACK => {
                self.run_with(&mut [Note::NEW; ROUTINES_ON_STACK][..count], holds)
            }
            count => self.run_with(&mut vec![Note::NEW; count], holds),
        }
    }

    fn run_with(&self, notes: &mut [Note], mut holds: impl FnMut(usize) -> bool) -> bool {
        let mut target = self.entry;
        loop {
            let (step, result) = match target.place() {
                Place::End(result) => return result,
                Place::EndOfRoutine(routine, result) => {
                    notes[routine].result = Some(result);
                    (self.steps[usize::from(notes[routine].caller)], result)
                }
                Place::Step(index) => {
                    let step = self.steps[index];
                    match step.question {
                        Question::Clause(clause) => (step, holds(usize::from(clause))),
                        Question::Routine(routine) => {
                            let note = &mut notes[usize::from(routine)];
                            let Some(result) = note.result else {
                                note.caller = index as u16;
                                target = self.routines[usize::from(routine)];
                                continue;
                            };
                            (step, result)
                        }
                    }
                }
            };
            target = if result { step.yes } else { step.no };
        }
    }
}

/// A composite whose children are being compiled, the last one first.
struct Open {
    node: u16,
    yes: Target,
    no: Target,
    /// Children that are still to come.
    left: usize,
    /// Where the part that is compiled begins.
    entry: Target,
}

struct Compiler<'a> {
    nodes: &'a [Node],
    plan: Plan,
    /// The number of the clause or of the routine that a node is.
    clause_of: Vec<u16>,
    routine_of: Vec<Option<u16>>,
    /// Nodes of the routines that were asked for.
    routines: Vec<u16>,
    /// References to each node.
    parents: Vec<u16>,
}

impl<'a> Compiler<'a> {
    fn new(nodes: &'a [Node], plan: Plan) -> Self {
        let mut clause_of = vec![0; nodes.len()];
        for (number, node) in plan.clauses.iter().enumerate() {
            clause_of[usize::from(*node)] = number as u16;
        }
        let mut parents = vec![0; nodes.len()];
        for child in &plan.ordered {
            parents[usize::from(*child)] += 1;
        }
        Self { nodes, plan, clause_of, routine_of: vec![None; nodes.len()], routines: Vec::new(), parents }
    }

    fn compile(mut self, root: u16) -> Plan {
        // A root with parents (above it, and of no use) is no routine.
        self.plan.entry = self.body(root, Target::YES, Target::NO);
        while let Some(node) = self.routines.get(self.plan.routines.len()).copied() {
            let routine = self.plan.routines.len() as u16;
            let [no, yes] = [false, true].map(|result| Target::end_of_routine(routine, result));
            let entry = self.body(node, yes, no);
            self.plan.routines.push(entry);
        }
        self.plan
    }

    /// Compiles a node and all below it, up to routines; gives where it begins.
    fn body(&mut self, node: u16, yes: Target, no: Target) -> Target {
        let mut open = match self.begin(node, yes, no) {
            Ok(target) => return target,
            Err(first) => vec![first],
        };
        let mut finished = Target::NO;
        while let Some(top) = open.last_mut() {
            let Some(left) = top.left.checked_sub(1) else {
                finished = top.entry;
                open.pop();
                if let Some(parent) = open.last_mut() {
                    parent.entry = finished;
                }
                continue;
            };
            top.left = left;
            let child = self.plan.ordered(usize::from(top.node))[left];
            let (yes, no) = match &self.nodes[usize::from(top.node)] {
                Node::And(_) => (top.entry, top.no),
                Node::Or(_) => (top.yes, top.entry),
                Node::Not(_) | Node::Clause(_) => (top.no, top.yes),
            };
            let begun = self.routine(child, yes, no).map_or_else(|| self.begin(child, yes, no), Ok);
            match begun {
                Ok(target) => top.entry = target,
                Err(next) => open.push(next),
            }
        }
        finished
    }

    /// A step that asks a routine, if the node is one.
    fn routine(&mut self, node: u16, yes: Target, no: Target) -> Option<Target> {
        let index = usize::from(node);
        if self.parents[index] < 2 {
            return None;
        }
        let routine = *self.routine_of[index].get_or_insert_with(|| {
            self.routines.push(node);
            self.routines.len() as u16 - 1
        });
        Some(self.step(Question::Routine(routine), yes, no))
    }

    /// A clause is compiled at once, a composite is opened.
    fn begin(&mut self, node: u16, yes: Target, no: Target) -> Result<Target, Open> {
        let index = usize::from(node);
        let entry = match &self.nodes[index] {
            Node::Clause(_) => {
                return Ok(self.step(Question::Clause(self.clause_of[index]), yes, no));
            }
            Node::And(_) => yes,
            Node::Or(_) | Node::Not(_) => no,
        };
        Err(Open { node, yes, no, left: self.nodes[index].children().len(), entry })
    }

    fn step(&mut self, question: Question, yes: Target, no: Target) -> Target {
        self.plan.steps.push(Step { question, yes, no });
        Target::step(self.plan.steps.len() - 1)
    }
}
