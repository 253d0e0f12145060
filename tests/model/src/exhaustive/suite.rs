//! The services side by side, and what one step of any of them leads to.

use std::sync::Arc;

use order::domain::state::Saga;
use order::saga::Rules;
use stateright::{Model, Property};

use super::actions::{self, Action, Freedom};
use super::decisions::{Outcome, Prompt, Services};
use super::flaws::Flaw;
use super::judging::{Doubt, Judged, Risk};
use super::known::{Known, Values};
use super::labour::Labour;
use super::laws;
use super::world::{Course, Log, Position, READERS, Service, Topic, World};
use crate::facts::Told;
use crate::scene;

/// Where a world begins, and what may happen in it.
pub(super) struct Scenario {
    /// Each begins a world of its own.
    pub(super) settings: Vec<Rules>,
    pub(super) orders: Vec<Freedom>,
    /// What lies in the warehouses.
    pub(super) on_hand: [i64; 2],
    /// How often records may come again.
    pub(super) repeats: u8,
    /// What must be reached somewhere.
    pub(super) fates: Vec<Property<Suite>>,
}

pub(super) struct Suite {
    pub(super) scenario: Scenario,
    services: Services,
    logs: Values<Vec<Known<Told>>, Log>,
}

impl Suite {
    pub(super) fn of(scenario: Scenario) -> Self {
        Self {
            services: Services::new(scenario.settings.clone()),
            logs: Values::new(),
            scenario,
        }
    }

    /// An order that was placed, and of which nobody else has heard.
    fn placed(&self, index: usize, setting: u8) -> Course {
        let order = scene::order(index, self.scenario.orders[index].quantity);
        let rules = &self.scenario.settings[usize::from(setting)];
        let empty = self.log(Vec::new());
        let placed = self.log(self.services.tell(&order.placed()));
        let mut course = Course {
            saga: self.services.sagas.keep(Saga::placed(&order, rules)),
            goods: self.services.goods.keep(None),
            fulfilment: self.services.fulfilments.keep(scene::unheard(order.id)),
            judged: self.services.judged.keep(Judged::default()),
            topics: [placed, empty, empty, empty],
            readers: [Position::default(); READERS.len()],
        };
        course.skip_unread();
        course
    }

    fn log(&self, log: Log) -> Known<Log> {
        self.logs.keep_as(log.clone(), log)
    }

    fn publish(&self, world: &mut World, order: usize, topic: Topic, told: &[Known<Told>]) {
        if told.is_empty() {
            return;
        }
        let course = &mut world.orders[order];
        let slot = &mut course.topics[topic as usize];
        let mut log = slot.value().clone();
        for told in told {
            let last = log.iter().map(|told| told.version).max().unwrap_or(0);
            if told.version != last + 1 {
                world.flaw.get_or_insert(Flaw::VersionGap);
            }
            log.push(*told);
        }
        *slot = self.log(log);
        course.skip_unread();
    }

    /// Takes over what was decided; `None` where nothing changed.
    fn settle<S>(
        &self,
        mut world: World,
        order: usize,
        topic: Topic,
        outcome: &Arc<Outcome<S>>,
    ) -> World {
        if world.flaw.is_none() {
            world.flaw = outcome.flaw;
        }
        self.publish(&mut world, order, topic, &outcome.told);
        world
    }

    fn read(&self, world: &World, order: usize, reader: usize, risk: Option<Risk>) -> World {
        let mut next = world.clone();
        let course = &mut next.orders[order];
        let (topic, service) = READERS[reader];
        let log = course.topics[topic as usize].value();
        let position = &mut course.readers[reader];
        let told = log[usize::from(position.offset)];
        let absorbed = log[..usize::from(position.known)].contains(&told);
        position.offset += 1;
        position.known = position.known.max(position.offset);
        if absorbed {
            course.skip_unread();
            return next;
        }
        let next = match service {
            Service::Order => {
                let prompt = Prompt::Read(told);
                let outcome = self.services.order(world.setting, course.saga, prompt);
                course.saga = outcome.state;
                self.settle(next, order, Topic::Order, &outcome)
            }
            Service::Inventory => {
                let outcome = self.services.inventory((course.goods, next.stock), told);
                (course.goods, next.stock) = outcome.state;
                self.settle(next, order, Topic::Inventory, &outcome)
            }
            Service::Shipment => {
                let labour = Labour::Read(told);
                let outcome = self.services.shipment(course.fulfilment, labour);
                course.fulfilment = outcome.state;
                self.settle(next, order, Topic::Shipment, &outcome)
            }
            Service::Fraud => {
                let doubt = match risk {
                    Some(risk) => Doubt::Judge(told, risk),
                    None => Doubt::Read(told),
                };
                let outcome = self.services.fraud(course.judged, doubt);
                course.judged = outcome.state;
                self.settle(next, order, Topic::Fraud, &outcome)
            }
        };
        let mut next = next;
        next.orders[order].skip_unread();
        next
    }
}

impl Model for Suite {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let settings = 0..u8::try_from(self.scenario.settings.len()).expect("a few");
        settings
            .map(|setting| World {
                orders: (0..self.scenario.orders.len())
                    .map(|index| self.placed(index, setting))
                    .collect(),
                stock: self.services.stocks.keep(scene::stock(
                    self.scenario.on_hand.map(|on_hand| (on_hand, 0)),
                )),
                setting,
                repeats: self.scenario.repeats,
                flaw: None,
            })
            .collect()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for (order, course) in world.orders.iter().enumerate() {
            actions::of_course(order, course, &self.scenario.orders[order], actions);
            if world.repeats > 0 {
                actions::repeats(order, course, actions);
            }
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        let next = match action {
            Action::Read { order, reader } => self.read(world, order, reader, None),
            Action::Judge { order, risk } => {
                let reader = READERS
                    .iter()
                    .position(|(_, service)| *service == Service::Fraud)
                    .expect("fraud reads");
                self.read(world, order, reader, Some(risk))
            }
            Action::DeadlinePasses { order } | Action::CustomerCancels { order } => {
                let prompt = match action {
                    Action::DeadlinePasses { .. } => Prompt::DeadlinePassed,
                    _ => Prompt::CustomerCancels,
                };
                let course = &mut next.orders[order];
                let outcome = self.services.order(world.setting, course.saga, prompt);
                course.saga = outcome.state;
                self.settle(next, order, Topic::Order, &outcome)
            }
            Action::Review { order, decision } => {
                let course = &mut next.orders[order];
                let doubt = Doubt::Review(course.charge(), decision);
                let outcome = self.services.fraud(course.judged, doubt);
                course.judged = outcome.state;
                self.settle(next, order, Topic::Fraud, &outcome)
            }
            Action::Work { order, labour } => {
                let course = &mut next.orders[order];
                let outcome = self.services.shipment(course.fulfilment, labour);
                course.fulfilment = outcome.state;
                self.settle(next, order, Topic::Shipment, &outcome)
            }
            Action::Rewind {
                order,
                reader,
                to,
                forgotten,
            } => {
                next.repeats -= 1;
                let position = &mut next.orders[order].readers[reader];
                position.offset = to;
                if forgotten {
                    position.known = to;
                }
                next.orders[order].skip_unread();
                next
            }
            Action::PublishAgain { order, topic, from } => {
                next.repeats -= 1;
                let course = &mut next.orders[order];
                let slot = &mut course.topics[topic as usize];
                let mut log = slot.value().clone();
                log.extend_from_within(usize::from(from)..);
                *slot = self.log(log);
                course.skip_unread();
                next
            }
        };
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let fates = self.scenario.fates.iter().cloned();
        laws::all().into_iter().chain(fates).collect()
    }
}
