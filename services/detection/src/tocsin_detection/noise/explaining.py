"""Alerts that were told before something opened that explains them: they are judged again."""

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_detection.noise import store
from tocsin_detection.noise.inhibition import Inhibition
from tocsin_detection.noise.matcher import labels_of
from tocsin_detection.noise.rulebook import Rulebook
from tocsin_kernel.clock import Clock

AT_ONCE = 100
# Of each rule and source: what is told in such numbers is no matter of one page more or less.
MOST_LOOKED_AT = 1_000


class Explaining:
    """Looks for them outside of the reports' transactions, which lock only what they are about."""

    def __init__(self, database: Database, rulebook: Rulebook, clock: Clock) -> None:
        self._database = database
        self._rulebook = rulebook
        self._clock = clock

    async def look(self) -> None:
        """Find those that may be explained now; the judge decides."""
        while await self._look_at_some() == AT_ONCE:
            pass

    async def _look_at_some(self) -> int:
        now = self._clock.now()
        async with self._database.transaction() as tx:
            pairs = await store.take_newly_explained(tx, AT_ONCE)
            if pairs:
                rules = {rule.name: rule for rule in (await self._rulebook.rules(tx, now)).inhibitions}
                sources = [source for source in await store.sources(tx, pairs) if source.rule in rules]
                found = [alert_id for source in sources for alert_id in await _explained_by(tx, rules[source.rule], source)]
                await store.judge_again(tx, sorted(set(found)), now)
        return len(pairs)


async def _explained_by(tx: Tx, rule: Inhibition, source: store.Source) -> list[str]:
    """The ids of alerts that were told and that a source explains by a rule."""
    labels = labels_of(source)
    # What the sender did not say as a label is asked of each alert below.
    equal = {name: source.labels[name] for name in rule.equal if source.labels.get(name)}
    told = await store.told_alerts(tx, equal, MOST_LOOKED_AT)
    return [alert.id for alert in told if alert.id != source.id and rule.explains(labels, labels_of(alert))]
