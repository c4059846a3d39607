//! A merchant with a server that is told of events, and what the tests do about them.

use atlas::app::webhooks::{EndpointAnswer, EndpointCommand, EndpointSecret, NewEndpoint};
use atlas::config::Settings;
use atlas::domain::delivery::Delivery;
use atlas::domain::event::{EventType, Outgoing};
use atlas::domain::id::{EndpointId, EventId};
use atlas::domain::key::{Account, Mode};
use serde_json::json;

use super::receiver::Receiver;
use crate::world::{World, eventually};

/// A world in which the account `default` has one endpoint.
pub struct Shop {
    // Goes first: then no attempt waits for its answer, and the server ends at once.
    pub receiver: Receiver,
    pub world: World,
    pub endpoint: EndpointId,
    pub secret: String,
}

impl Shop {
    pub fn new() -> Self {
        Self::with(|_| ())
    }

    pub fn with(configure: impl Fn(&mut Settings) + 'static) -> Self {
        let world = World::with(configure);
        let receiver = Receiver::new();
        let made = add(&world, "default", &receiver.url(), &[]).expect("an endpoint");
        Self {
            world,
            receiver,
            endpoint: made.endpoint.id,
            secret: made.secret.to_string(),
        }
    }

    /// Something has happened to a payment of the account `default`.
    pub fn happens(&self) -> EventId {
        happens(&self.world, "default", EventType::PaymentCaptured).expect("it is told")
    }

    /// How the delivery of an event to the endpoint stands.
    pub fn delivery(&self, event: EventId) -> Delivery {
        let all = deliveries(&self.world, event);
        let mut all = all.into_iter().filter(|one| one.endpoint == self.endpoint);
        all.next().expect("a delivery")
    }

    /// The same, as soon as so many attempts are noted.
    #[track_caller]
    pub fn tried(&self, event: EventId, attempts: usize) -> Delivery {
        eventually("the attempt is noted", || {
            self.delivery(event).attempts.len() >= attempts
        });
        let delivery = self.delivery(event);
        assert_eq!(delivery.attempts.len(), attempts);
        delivery
    }

    pub fn advance(&self, seconds: u64) {
        self.world.advance(std::time::Duration::from_secs(seconds));
        self.world.app.wake_deliveries();
    }

    /// Stops the server and starts it again.
    pub fn restart(self) -> Self {
        Self {
            world: self.world.restart(),
            ..self
        }
    }
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(future)
}

pub fn manage(world: &World, command: EndpointCommand) -> EndpointAnswer {
    block_on(world.app.manage_webhooks(command))
}

/// Adds an endpoint of an account.
pub fn add(
    world: &World,
    account: &str,
    url: &str,
    events: &[EventType],
) -> Result<EndpointSecret, String> {
    let new = NewEndpoint {
        account: account.parse().expect("an account"),
        url: url.parse().expect("a URL"),
        events: events.to_vec(),
    };
    match manage(world, EndpointCommand::Add(new)) {
        EndpointAnswer::Secret(made) => Ok(made),
        EndpointAnswer::Failed(why) => Err(why),
        EndpointAnswer::Endpoint(_) | EndpointAnswer::Endpoints(_) => panic!("no secret"),
    }
}

/// An event of this kind, if anybody wants it.
pub fn announce(world: &World, account: &str, kind: EventType) -> Option<Outgoing> {
    let account: Account = account.parse().expect("an account");
    let object = json!({"id": "pay_1", "amount": 4990, "client_secret": "cs_0123456789"});
    let (owner, now) = ((&account, Mode::Test), world.clock.now());
    let announced = world.app.announce(kind, owner, &object, None, now);
    announced.expect("an event can be made")
}

/// An event of this kind happens; None when nobody wants it.
pub fn happens(world: &World, account: &str, kind: EventType) -> Option<EventId> {
    let outgoing = announce(world, account, kind)?;
    block_on(world.app.send_event(&outgoing, world.clock.now())).expect("kept");
    Some(outgoing.event.id)
}

pub fn deliveries(world: &World, event: EventId) -> Vec<Delivery> {
    let found = world.app.event(&event).expect("read");
    found.expect("an event").1
}
