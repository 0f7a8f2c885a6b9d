"""The contract of a tracker."""


def test_numbers(metrics):
    """Returns the test metrics that are numbers, by name.

    Args:
        metrics: dict. The content of `metrics.json`.

    >>> test_numbers({"test": {"loss": 0.5, "confusion_matrix": [[3]]}})
    {'loss': 0.5}
    """
    test = metrics.get("test", {})
    return {n: value for n, value in test.items() if type(value) is float}


class Tracker:
    """Shows a run to people: gets its settings, numbers, pictures and end.

    A tracker is made and called only on the chief. A method that a class does
    not define does nothing, and what it would get is not computed.

    A run calls the methods in this order:

        begin                        when training starts or resumes
        graph, examples, flush       unless the run resumes with a state
        numbers, picture, text, flush
                                     after each epoch
        get_state                    for each checkpoint
        end                          after evaluation and export, or
        stop                         if the process ends before

    If a method raises an error, the run logs a warning and does not call the
    tracker again in this process. The checkpoints keep its last state.

    After a kill, a resumed run repeats the steps since the last checkpoint,
    with bit-identical numbers, except `examples_per_second`. A tracker must
    show each step once. It goes back to its state, or it ignores the steps that
    it already has.

    >>> class Best(Tracker):
    ...     def begin(self, config, splits, state):
    ...         self._best = state["best"] if state else 0.0
    ...
    ...     def numbers(self, step, split, values):
    ...         if split == "validation":
    ...             self._best = max(self._best, values["accuracy"])
    ...
    ...     def get_state(self):
    ...         return {"best": self._best}
    >>> best = Best(workdir=None)
    >>> best.begin(config=None, splits=("train", "validation"), state=None)
    >>> best.numbers(250, "validation", {"accuracy": 0.9})
    >>> best.get_state()
    {'best': 0.9}
    """

    def __init__(self, workdir):
        """Makes the tracker; writes nothing.

        Args:
            workdir: pathlib.Path. The work directory of the run.
        """
        self.workdir = workdir

    def begin(self, config, splits, state):
        """Starts or resumes.

        Args:
            config: `ExperimentConfig`; read, not changed.
            splits: Tuple of str. The splits of `numbers`: "train" and, if the
                data has it, "validation".
            state: The result of `get_state` in the checkpoint from which the
                run resumes. `None` if the run is new, or resumes from a
                checkpoint without this tracker.
        """

    def graph(self, graph):
        """Gets the graph of the network.

        Args:
            graph: `tf.Graph`.
        """

    def examples(self, pixels, labels):
        """Gets images of the first batch, as the network gets them.

        It is not called for texts.

        Args:
            pixels: uint8[count, height, width, channels]. At most 16 images.
            labels: List of str. The label of each image, in words; empty if
                the examples have none.
        """

    def numbers(self, step, split, values):
        """Gets the numbers of a split after a step.

        Args:
            step: int. Training steps done.
            split: str. "train" or "validation".
            values: Dict of float by name. For "train", it contains
                `learning_rate` and `examples_per_second`.
        """

    def picture(self, step, name, pixels):
        """Gets a picture of the validation, such as the confusion matrix.

        Args:
            step: int. Training steps done.
            name: str.
            pixels: uint8[height, width, 3].
        """

    def text(self, step, name, text):
        """Gets a text about the validation, such as names for a picture.

        Args:
            step: int. Training steps done.
            name: str. Other than the names of the pictures.
            text: str in Markdown.
        """

    def flush(self, step):
        """Stores numbers, pictures and texts of a step on the disk.

        Args:
            step: int. The step of all that came since the last call.
        """

    def get_state(self):
        """Returns the state for a checkpoint, JSON-like and not `None`."""
        return {}

    def end(self, step, metrics, export):
        """Ends the run. A finished run that is started again also calls it.

        Args:
            step: int. The step of the best weights.
            metrics: dict. The content of `metrics.json`, measured on the best
                weights.
            export: pathlib.Path of the exported version, or `None`.
        """

    def stop(self, error):
        """Ends the process, but not the run.

        Args:
            error: BaseException. `signals.Stopped` if a signal stopped the run,
                which can resume; another error otherwise.
        """
