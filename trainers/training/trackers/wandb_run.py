"""Logs a run to Weights & Biases, online or into files to sync later."""

import html
import logging
import os
import struct
import time
import uuid

# Nothing is reported to the authors of wandb, unless the user wants it.
os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
import wandb  # noqa: E402
from wandb.proto import wandb_internal_pb2  # noqa: E402

from trainers.config import tree  # noqa: E402
from trainers.runtime.signals import Stopped  # noqa: E402
from trainers.training.trackers import store_file  # noqa: E402
from trainers.training.trackers import tracker  # noqa: E402

# wandb writes its file, or sends it, every 15 seconds.
_SECONDS = 60
_BLOCK = 1 << 15  # Bytes.


class Wandb(tracker.Tracker):
    """Logs settings, numbers and pictures; at the end, test metrics.

    The mode is `WANDB_MODE`; by default online if the user is logged in, and
    offline otherwise. Nothing is asked at the terminal. The project is
    `WANDB_PROJECT`, by default the name of the export.

    `tracking/wandb.json` contains the run id. Each process of an offline run
    has a directory in `wandb/`; `wandb sync` joins them by run id. W&B cannot
    delete points, and a kill loses those of the last seconds. A resumed run
    therefore asks for the last point, and logs only later ones. The checkpoint
    contains those of the last minute.
    """

    def __init__(self, workdir):
        """Makes the tracker; writes nothing."""
        super().__init__(workdir)
        self._file = workdir / "tracking" / "wandb.json"
        self._row = {}  # The numbers of the current step.
        self._numbers = {}  # Those of them that JSON can represent.
        self._recent = []  # Tuples of time, step and numbers.

    def begin(self, config, splits, state):
        """Opens the run of the work directory, or creates it."""
        mode = _mode()
        known = store_file.read(self._file) or {"run_id": uuid.uuid4().hex[:8]}
        store_file.write(self._file, known)
        run_id = known["run_id"]
        directory = self.workdir.resolve()
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or config.export.name,
            id=run_id,
            name=os.environ.get("WANDB_NAME") or directory.name,
            dir=str(directory),
            mode=mode,
            resume="allow",
            config={
                name.removeprefix("config."): value
                for name, _, value in tree.leaves(config)
            },
            # A setting such as `trainer.trackers` may change.
            allow_val_change=True,
            # The command writes the progress itself.
            settings=wandb.Settings(console="off", silent=True),
        )
        self._last = self._run.step - 1  # In an online run, of the server.
        if mode == "offline":
            self._last = max(self._last, *_steps(directory, run_id))
            logging.getLogger(__name__).info(
                "wandb is offline: send the run with `cd %s && wandb sync`",
                directory,
            )
        for step, numbers in state["recent"] if state else ():
            self._recent.append((time.monotonic(), step, numbers))
            self._log(step, numbers)

    def examples(self, pixels, labels):
        """Collects the images of the first batch."""
        self._row["train/first_batch"] = [
            wandb.Image(_picture(image), caption=label)
            for image, label in zip(pixels, labels, strict=True)
        ]

    def numbers(self, step, split, values):
        """Collects the numbers of a step."""
        for name, value in values.items():
            self._numbers[f"{split}/{name}"] = value

    def picture(self, step, name, pixels):
        """Collects the picture."""
        self._row[f"validation/{name}"] = wandb.Image(pixels)

    def text(self, step, name, text):
        """Collects the text."""
        page = f"<pre>{html.escape(text)}</pre>"
        self._row[f"validation/{name}"] = wandb.Html(page)

    def flush(self, step):
        """Logs a step."""
        now = time.monotonic()
        self._recent.append((now, step, self._numbers))
        self._recent = [r for r in self._recent if now - r[0] < _SECONDS]
        self._log(step, self._row | self._numbers)
        self._row, self._numbers = {}, {}

    def _log(self, step, row):
        # One call: W&B does not add to a step that is complete.
        if row and step > self._last:
            self._run.log(row, step=step, commit=True)
            self._last = step

    def get_state(self):
        """Returns the numbers that a kill could still lose."""
        return {
            "recent": [[step, numbers] for _, step, numbers in self._recent]
        }

    def end(self, step, metrics, export):
        """Sets the summary of the run and finishes it."""
        for name, value in tracker.test_numbers(metrics).items():
            self._run.summary[f"test/{name}"] = value
        self._run.summary["best_step"] = step
        if export is not None:
            self._run.summary["export"] = str(export.resolve())
        self._run.finish()

    def stop(self, error):
        """Finishes the process of the run."""
        self._run.finish(exit_code=75 if isinstance(error, Stopped) else 1)


def _mode():
    mode = os.environ.get("WANDB_MODE", "")
    if mode not in ("", "online"):
        return mode
    # Otherwise wandb asks at the terminal, and training waits.
    if wandb.login(prompt=False, verify=False):
        return "online"
    if mode == "online":
        raise RuntimeError(
            "WANDB_MODE=online needs WANDB_API_KEY or `wandb login`"
        )
    return "offline"


def _picture(image):
    """Returns uint8[height, width] for grey, as Pillow takes it."""
    return image[..., 0] if image.shape[-1] == 1 else image


def _steps(directory, run_id):
    """Yields -1 and the steps in the files of an offline run.

    Args:
        directory: pathlib.Path. It contains `wandb/`.
        run_id: str.
    """
    yield -1
    for file in directory.glob(f"wandb/offline-run-*/run-{run_id}.wandb"):
        for data in _records(file.read_bytes()):
            record = wandb_internal_pb2.Record.FromString(data)
            if record.HasField("history"):
                yield record.history.step.num


def _records(data):
    """Yields the complete records of a `.wandb` file, a log of LevelDB.

    A block begins a new record or continues one. Each part has a header: sum,
    size, and whether it is whole (1), the first (2), a middle (3) or last (4).
    """
    place, record = 7, b""  # After the header of the file.
    while place + 7 <= len(data):
        rest = _BLOCK - place % _BLOCK
        if rest < 7:
            place += rest
            continue
        _, size, part = struct.unpack_from("<IHB", data, place)
        end = place + 7 + size
        if part not in (1, 2, 3, 4) or end > len(data):
            return  # A process was killed here.
        record += data[place + 7 : end]
        place = end
        if part in (1, 4):
            yield record
            record = b""
