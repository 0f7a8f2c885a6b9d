"""A killed and resumed run is bit-identical to an uninterrupted run."""

import collections
import random

import comparison
import processes
import pytest

SMALL = [
    "digits",
    "digits_mirrored_float16",
    "digits_saved_by_time",
    "labels_of_texts",
    "numbers_of_pairs",
    "texts_bfloat16",
    "texts_mirrored",
]
# Operations of a process that resumes from a checkpoint, in their order.
RESTORE = [
    "read checkpoints/step-N/manifest.json",
    "read checkpoints/step-N/arrays.npz",
    "rename labels.json.tmp",
    "write config.json.tmp",
    "truncate tensorboard/validation/events",
    "rename history.json.tmp",
    "mkdir checkpoints/step-N.tmp",  # It has begun new event files.
    "remove tensorboard/train/events",
]


class Victim:
    """A run that is killed repeatedly, and is started again when it ends.

    Attributes:
        num_kills: How many times SIGKILL has ended it.
        operations: Kinds of file operations that it was seen to do.
    """

    def __init__(self, scenario, reference, root, start):
        """Makes the run.

        Args:
            scenario: `Scenario`.
            reference: Work directory of a run that was not interrupted.
            root: Directory for work directories.
            start: Called with a scenario, a work directory and the keyword
                arguments of `kill`; returns `Ended`.
        """
        self._scenario = scenario
        self._reference = reference
        self._root = root
        self._start = start
        self._num_runs = 0
        self.num_kills = 0
        self.operations = collections.Counter()

    def resume(self, **how):
        """Starts a process; returns whether it came to the end of the run."""
        workdir = self._root / f"run{self._num_runs}"
        ended = self._start(self._scenario, workdir, **how)
        for kind in set(ended.operations):
            self.operations[kind] += 0
        if ended.was_killed:
            self.num_kills += 1
            self.operations[ended.place] += 1
            return False
        if ended.code == 75:  # Stopped by SIGTERM, with all saved.
            return False
        assert ended.code == 0, ended.output
        comparison.check_same(
            self._reference, workdir, by_time=self._scenario.by_time
        )
        self._num_runs += 1
        return True

    def finish(self):
        """Runs to the end."""
        assert self.resume()

    def run_again(self):
        """Runs once more after the end, where nothing changes."""
        self._num_runs -= 1
        assert self.resume()


@pytest.fixture
def victim_of(scenario_of, reference_of, tmp_path, trainers):
    """Returns a `Victim` by the name of its scenario."""

    def get(name, start=trainers.run):
        return Victim(scenario_of(name), reference_of(name), tmp_path, start)

    return get


@pytest.mark.parametrize(
    ("name", "num_kills"),
    [
        ("digits", 2),
        *(
            pytest.param(name, 60, marks=pytest.mark.torture, id=f"{name}-long")
            for name in SMALL
        ),
    ],
)
def test_a_run_killed_at_any_file_operations_ends_the_same(
    victim_of, name, num_kills
):
    """Those come first at which it was killed least; some after SIGTERM."""
    victim = victim_of(name)
    generator = random.Random(f"{name} {num_kills}")
    while victim.num_kills < num_kills:
        # Some by number alone, which finds kinds of operations.
        signals = [["", generator.randint(1, 150), "SIGKILL"]]
        if victim.operations and generator.random() < 0.8:
            least = min(victim.operations.values())
            kinds = [k for k, n in victim.operations.items() if n == least]
            kind = generator.choice(sorted(kinds))
            signals = [[kind, generator.choice((1, 1, 2, 4)), "SIGKILL"]]
        if generator.random() < 0.2:
            signals.append(["", generator.randint(20, 150), "SIGTERM"])
        if victim.resume(signals=signals):
            # It has no such operation any more.
            victim.operations[signals[0][0]] += 1
    victim.finish()


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("digits", RESTORE[::2]),
        *(
            pytest.param(name, RESTORE, marks=pytest.mark.torture)
            for name in SMALL
        ),
    ],
    ids=["digits", *(f"{name}-long" for name in SMALL)],
)
def test_a_run_killed_in_each_part_of_a_restore_ends_the_same(
    victim_of, name, kinds
):
    """Each process but the first is killed before it trained a step."""
    victim = victim_of(name)
    # Event files are ahead of the checkpoint then.
    victim.resume(signals=[["write history.json.tmp", 3, "SIGKILL"]])
    for kind in kinds:
        victim.resume(signals=[[kind, 1, "SIGKILL"]])
    assert victim.num_kills == 1 + len(kinds)
    victim.finish()
    victim.run_again()


@pytest.mark.torture
@pytest.mark.parametrize(
    "operation",
    [
        "rename checkpoints/step-00000119",
        "read checkpoints/step-00000119.old.tmp",
        "rmdir checkpoints/step-00000119.old.tmp",
    ],
)
def test_a_run_killed_while_it_tidies_up_at_its_end_ends_the_same(
    victim_of, operation
):
    """The resumed run saves nothing, but must tidy up."""
    victim = victim_of("digits")
    assert not victim.resume(signals=[[operation, 1, "SIGKILL"]])
    assert victim.num_kills == 1
    victim.finish()


@pytest.mark.torture
@pytest.mark.parametrize(
    "operation", ["write decisions.json.tmp", "rename decisions.json.tmp"]
)
def test_a_run_killed_before_it_has_decided_ends_the_same(victim_of, operation):
    """The best weights are there; what is decided for them is not."""
    victim = victim_of("labels_of_texts")
    assert not victim.resume(signals=[[operation, 1, "SIGKILL"]])
    assert victim.num_kills == 1
    victim.finish()


@pytest.mark.torture
def test_a_run_killed_while_it_replaces_its_one_checkpoint_ends_the_same(
    victim_of,
):
    """It was stopped before a validation, after which it saves this step."""
    victim = victim_of("digits_one_checkpoint")
    saving = "write checkpoints/step-00000016.tmp/run.json"
    assert not victim.resume(signals=[[saving, 1, "SIGTERM"]])
    replacing = "rename checkpoints/step-00000032.tmp"
    assert not victim.resume(signals=[[replacing, 1, "SIGKILL"]])
    assert victim.num_kills == 1
    victim.finish()


@pytest.mark.parametrize(
    ("name", "num_kills"),
    [
        ("digits", 1),
        *(
            pytest.param(name, 20, marks=pytest.mark.torture, id=f"{name}-long")
            for name in SMALL
        ),
    ],
)
def test_a_run_killed_at_any_moments_ends_the_same(victim_of, name, num_kills):
    victim = victim_of(name)
    generator = random.Random(f"{name} {num_kills}")
    while victim.num_kills < num_kills:
        sign = generator.choice(("line", "saved", "saved", "saving"))
        count = generator.randint(1, 8)
        moment = processes.Moment(sign, count, generator.uniform(0, 0.2))
        victim.resume(kill=moment)
    victim.finish()


@pytest.mark.torture
@pytest.mark.parametrize(
    ("name", "sign", "num_kills"),
    [
        ("digits", "saved", 5),
        ("texts_mirrored", "saved", 5),
        ("wide", "saving", 20),
        ("minilm", "saving", 8),
        ("minilm", "line", 3),
    ],
)
def test_the_command_itself_killed_ends_the_same(
    victim_of, user_env, tmp_path, name, sign, num_kills
):
    """Large checkpoints take long enough to be hit while they are written."""

    def start(scenario, workdir, kill=None):
        if kill is None:
            kill = processes.Moment("line", float("inf"), 0)
        return processes.killed_command(
            scenario, workdir, user_env, kill, tmp_path / "output"
        )

    victim = victim_of(name, start)
    generator = random.Random(f"{name} {sign}")
    while victim.num_kills < num_kills:
        moment = processes.Moment(
            sign, generator.randint(1, 4), generator.uniform(0, 0.3)
        )
        victim.resume(kill=moment)
    victim.finish()
