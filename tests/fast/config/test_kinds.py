"""The table of kinds, kinds of users, and settings that moved."""

import dataclasses
import hashlib
import importlib
import json
import logging
import pathlib
import sys
import typing

import own_kinds
import pytest

import tfmodels
from tfmodels import settings
from tfmodels.settings import setting
from trainers import tasks
from trainers.config import experiment
from trainers.config import kinds
from trainers.config import tree as tree_lib
from trainers.config import user_code
from trainers.config.data import ImageDataConfig
from trainers.config.data import TextDataConfig
from trainers.data import input_files
from trainers.data.images import loading
from trainers.data.texts import rows
from trainers.errors import ConfigError
from trainers.objectives.objective import Objective
from trainers.objectives.objective import ObjectiveConfig
from trainers.objectives.single_label import SingleLabelConfig
from trainers.tasks.inputs.inputs import Inputs

OWN = "own_kinds:OwnObjectiveConfig"
TEXT_SETTINGS = [field.name for field in dataclasses.fields(TextDataConfig)]
ROWS = [(part, name) for part, names in kinds.KINDS.items() for name in names]


def refusal(function, *args):
    with pytest.raises(ConfigError) as error:
        function(*args)
    return str(error.value)


# The table.


@pytest.mark.parametrize("part, name", ROWS)
def test_every_row_of_the_table_can_be_imported(part, name):
    if part == "tracker":  # Some need an extra of their name.
        pytest.importorskip(name)
    kind = kinds.load(part, name, "config.x")
    assert kinds.load(part, kinds.KINDS[part][name], "config.x") is kind
    if isinstance(kind, type):
        assert kinds.name_of(part, kind) == name
        # The settings of a tracker are those of the library that it feeds.
        assert dataclasses.is_dataclass(kind) or part == "tracker"


@pytest.mark.parametrize("name", kinds.KINDS["data"])
def test_every_kind_of_data_names_its_inputs_and_its_check(name):
    data = kinds.load("data", name, "")()
    inputs = tasks.inputs_class(data)
    assert issubclass(inputs, Inputs) and inputs is not Inputs
    assert callable(kinds.load("data", data.check_files, ""))
    assert data.model_part


def test_a_kind_of_a_user_has_the_name_of_its_module():
    kind = kinds.load("task", OWN, "config.task.objective")
    assert kind is own_kinds.OwnObjectiveConfig
    assert kinds.name_of("task", kind) == OWN
    assert kinds.name_of("model", SingleLabelConfig) == (
        "trainers.objectives.single_label:SingleLabelConfig"
    )
    assert kinds.class_names("data")[:2] == [
        "ImageDataConfig",
        "TextDataConfig",
    ]


@pytest.mark.parametrize("name", ["mlp", "", ":", "a:", ":b", None, 3, ["a"]])
def test_another_name_is_refused_with_the_choices(name):
    names = ", ".join(kinds.KINDS["model"])
    assert refusal(kinds.load, "model", name, "config.model.kind") == (
        f"`config.model.kind` must be one of {names}, or MODULE:NAME "
        f"of your own. Received: {name!r}."
    )


@pytest.mark.parametrize(
    "name, reason",
    [
        (
            "own_kindz:OwnObjectiveConfig",
            "ModuleNotFoundError: No module named 'own_kindz'",
        ),
        (
            "own_kinds:OwnObjective",
            "AttributeError: module 'own_kinds' has no attribute "
            "'OwnObjective'",
        ),
    ],
)
def test_what_cannot_be_imported_is_refused_with_the_reason(name, reason):
    assert refusal(kinds.load, "task", name, "config.task.objective") == (
        "`config.task.objective` must be importable. Received: "
        f"{name!r}: {reason}. Python imports from the current directory and "
        "from those in PYTHONPATH."
    )


def test_an_error_of_a_module_of_a_user_is_shown_in_one_line(
    tmp_path, monkeypatch
):
    (tmp_path / "half_written.py").write_text('raise RuntimeError("a\\n  b")')
    monkeypatch.syspath_prepend(tmp_path)
    assert refusal(kinds.load, "model", "half_written:A", "config.x") == (
        "`config.x` must be importable. Received: 'half_written:A': "
        "RuntimeError: a b. Python imports from the current directory and "
        "from those in PYTHONPATH."
    )


@pytest.mark.parametrize(
    "name, is_own",
    [
        ("a:b", True),
        ("a.b:c", True),
        ("a", False),
        (":b", False),
        ("a:", False),
        ("a:b.c", True),
        ("a:b.", False),
        ("a:b:c", False),
        ("C:/data/a.csv", False),
    ],
)
def test_a_name_of_a_user_has_a_module_and_an_object(name, is_own):
    assert settings.is_own(name) is is_own


def test_the_code_of_a_user_counts_and_that_of_the_project_does_not(
    tmp_path, monkeypatch
):
    assert user_code.code_of(SingleLabelConfig) == [
        "trainers.objectives.single_label:SingleLabelConfig"
    ]
    assert user_code.code_of(tfmodels.MnistMlpConfig) == [
        "tfmodels.mnist_mlp:MnistMlpConfig"
    ]
    code = pathlib.Path(own_kinds.__file__).read_bytes()
    assert user_code.code_of(own_kinds.OwnObjectiveConfig) == [
        OWN,
        hashlib.sha256(code).hexdigest(),
    ]
    file = tmp_path / "growing_kind.py"
    file.write_text("def read_rows():\n    yield 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("growing_kind")
    before = user_code.code_of(module.read_rows)
    assert before[0] == "growing_kind:read_rows"
    # By its name as well: an object of a module has no module of its own.
    assert user_code.code_of("growing_kind:read_rows") == before
    file.write_text(file.read_text() + "# Changed.\n")
    assert user_code.code_of("growing_kind:read_rows") != before


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The files of a package of a user, which is imported."""
    directory = tmp_path / "package_of_user"
    (directory / "parts").mkdir(parents=True)
    files = {
        "__init__.py": "",
        "loss.py": "import json\nfrom package_of_user import parts\n"
        "class Loss:\n    def call(self):\n        from . import late\n",
        "late.py": "from .parts.deep import NAME\n"
        "import package_of_user.gone\nWARNS = '\\d'\n",
        "parts/__init__.py": "from . import other",
        "parts/deep.py": "from ..loss import Loss\nNAME = 1",
        "parts/other.py": "import pytest",
        "unused.py": "",
        "tracker.py": "from package_of_user import loss, tracker_words",
        "tracker_words.py": "",
    }
    for name, text in files.items():
        (directory / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("package_of_user.parts")
    yield directory
    for name in [n for n in sys.modules if n.startswith("package_of_user")]:
        del sys.modules[name]


CODE = [
    "package_of_user",
    "package_of_user.late",
    "package_of_user.loss",
    "package_of_user.parts",
    "package_of_user.parts.deep",
    "package_of_user.parts.other",
]


def test_the_code_of_a_kind_is_all_that_it_imports_of_its_package(package):
    path = "package_of_user.loss:Loss"
    before = user_code.modules_of(path)
    assert list(before) == CODE
    # The same without these imports in this process, and after them.
    assert "package_of_user.loss" not in sys.modules
    (package / "late.py").write_text("from .parts.deep import NAME")
    (package / "unused.py").write_text("x = 1")
    importlib.import_module("package_of_user.tracker")
    loss = sys.modules["package_of_user.loss"].Loss
    after = user_code.modules_of(loss)
    assert list(after) == CODE
    assert [n for n in CODE if before[n] != after[n]] == [
        "package_of_user.late"
    ]
    assert user_code.code_of(loss) == [path, *after.values()]


def test_a_base_in_another_package_of_the_user_counts(package):
    loss = importlib.import_module("package_of_user.loss").Loss

    class Derived(loss, ObjectiveConfig):
        __module__ = "own_kinds"

    assert list(user_code.modules_of(Derived)) == ["own_kinds", *CODE]

    class Installed(loss, pytest.Cache):  # Has a version.
        __module__ = "own_kinds"

    assert list(user_code.modules_of(Installed)) == ["own_kinds", *CODE]


def test_a_class_inside_of_a_class_has_dots_in_its_name():
    name = "own_kinds:Outer.InnerConfig"
    inner = own_kinds.Outer.InnerConfig
    assert kinds.name_of("task", inner) == name
    assert kinds.load("task", name, "config.x") is inner
    config = own_config()
    config.task = inner(margin=2.0)
    experiment.validate(config)
    assert experiment.from_json(experiment.to_json(config)) == config


# What an own kind declares.


def classes_of_users():
    """Yields the name of the case, a class and what is wrong with it."""

    def objective(**annotations):
        values = {k: v for k, (_, v) in annotations.items() if v is not None}
        types = {k: kind for k, (kind, _) in annotations.items()}
        made = type(
            "MineConfig",
            (ObjectiveConfig,),
            {"__annotations__": types, "__module__": "own_kinds"} | values,
        )
        return dataclasses.dataclass(made)

    def made():
        return setting(1.0, "Width.")

    types = "int, float, bool, str, tuple[int, ...], tuple[str, ...]"
    by_setting = 'must be made by `setting({}, "meaning")` of tfmodels.settings'
    yield (
        "plain",
        objective(margin=(float, 2.5)),
        f"`MineConfig.margin` {by_setting.format('2.5')}",
    )
    yield (
        "no default",
        objective(margin=(float, None)),
        f"`MineConfig.margin` {by_setting.format('0.0')}",
    )
    yield (
        "dict",
        objective(margin=(dict, made())),
        f"`MineConfig.margin` must have a type that a flag can have, one of "
        f"{types}, and not dict",
    )
    yield (
        "alias",
        objective(margin=(tuple[float, ...], made())),
        f"`MineConfig.margin` must have a type that a flag can have, one of "
        f"{types}, and not tuple[float, ...]",
    )
    yield (
        "optional",
        objective(margin=(float | None, made())),
        f"`MineConfig.margin` must have a type that a flag can have, one of "
        f"{types}, and not float | None",
    )
    yield (
        "annotations",
        objective(margin=("float", made())),
        "`MineConfig.margin` must have a type in place of the text 'float': "
        "remove `from __future__ import annotations` from its file",
    )
    plain = dataclasses.make_dataclass("Part", [("x", int, 3)])
    yield (
        "nested",
        objective(part=(plain, dataclasses.field(default_factory=plain))),
        f"`Part.x` {by_setting.format('3')}",
    )
    yield (
        "nested without default",
        objective(part=(plain, None)),
        "`MineConfig.part` must be made by "
        "`dataclasses.field(default_factory=Part)`",
    )

    class NotDecorated(own_kinds.OwnObjectiveConfig):
        width: float = setting(1.0, "Width.")

    yield (
        "not decorated",
        NotDecorated,
        "`NotDecorated` must have the decorator `@dataclasses.dataclass`, as "
        "`width` is a setting",
    )
    for name in ("kind", "objective", "random_shift"):
        yield (
            name,
            objective(**{name: (float, made())}),
            f"`MineConfig.{name}` must have another name: "
            f"`config.task.{name}` has a meaning of its own",
        )


@pytest.mark.parametrize(
    "kind, problem",
    [pytest.param(*case, id=name) for name, *case in classes_of_users()],
)
def test_settings_that_cannot_be_flags_are_refused(kind, problem, monkeypatch):
    name = f"own_kinds:{kind.__name__}"
    kind.__module__, kind.__qualname__ = "own_kinds", kind.__name__
    monkeypatch.setattr(own_kinds, kind.__name__, kind, raising=False)
    assert refusal(with_objective, name) == (
        f"`--config.task.objective`: {problem}. Received: {name!r}."
    )
    tree = {"task": {"objective": name}}
    assert refusal(experiment.from_tree, tree) == (
        f"`config.task.objective`: {problem}. Received: {name!r}."
    )
    config = own_config()
    names = [f.name for f in dataclasses.fields(kind)]
    config.task = kind(*(1.0 for _ in names if kind.__name__ == "MineConfig"))
    expected = f"`config.task`: {problem}. Received: {config.task!r}."
    assert refusal(experiment.validate, config) == expected
    assert refusal(experiment.check_types, config) == expected


def test_the_kinds_of_this_project_are_declared_well():
    for part in ("data", "task", "model"):
        for name in kinds.KINDS[part]:
            kind = kinds.load(part, name, "")
            assert tree_lib.kind_problem(part, kind) is None


@pytest.mark.parametrize("part", ["data", "model"])
def test_a_name_is_reserved_only_in_its_part(part):
    @dataclasses.dataclass
    class Mine:
        global_batch_size: int = setting(1, "Rows.")
        objective: str = setting("", "Something.")
        random_shift: float = setting(0.0, "Something.")

    assert tree_lib.kind_problem(part, Mine) is None


def test_data_must_have_a_size_of_batches():
    @dataclasses.dataclass
    class Mine:
        train: str = setting("", "File.")

    assert tree_lib.kind_problem("model", Mine) is None
    assert tree_lib.kind_problem("data", Mine) == (
        "`Mine` must have the setting `global_batch_size: int = setting(32, "
        "..., at_least=1)`"
    )


def test_data_needs_no_other_setting():
    config = own_config()
    config.data = own_kinds.OwnDataConfig()
    config.trainer.early_stopping_patience = 3
    config.optimizer.plateau_patience = 2
    experiment.validate(config)
    assert config.data.why_no_validation() is None
    assert Objective().target_columns(config.data) == {"label": "label"}


@pytest.mark.parametrize(
    "how, made",
    [
        (lambda self: None, "None"),
        (lambda self: 3, "3"),
        (ObjectiveConfig.make_objective, "None"),
    ],
    ids=["nothing", "number", "not written"],
)
def test_settings_must_make_an_objective(how, made, monkeypatch):
    monkeypatch.setattr(own_kinds.OwnObjectiveConfig, "make_objective", how)
    expected = (
        "`config.task`: `OwnObjectiveConfig.make_objective` must return an "
        "instance of trainers.objectives.objective.Objective. Received: "
        f"{made}."
    )
    config = own_config()
    assert refusal(experiment.validate, config) == expected
    assert refusal(tasks.make_task, config) == expected


def test_an_objective_can_refuse_a_kind_of_data(monkeypatch):
    def problems(self, config):
        name = kinds.name_of("data", type(config.data))
        if name not in ("texts", "own_kinds:OwnDataConfig"):
            yield f"Not from {name}."

    monkeypatch.setattr(own_kinds.OwnObjectiveConfig, "problems", problems)
    config = own_config()
    assert refusal(experiment.validate, config) == "Not from images."
    config.data = own_kinds.OwnDataConfig()
    experiment.validate(config)


# Sources and classes that have another form.


def test_a_source_of_images_must_be_a_function():
    name = "own_kinds:dataclasses"
    data = ImageDataConfig(source=name)
    expected = (
        "`--config.data.source` must name a function `open_source`, see "
        f"trainers.data.images.loading. Received: {name!r}, which is of the "
        "class module."
    )
    assert refusal(loading.check_files, data) == expected
    config = experiment.ExperimentConfig(data=data)
    assert refusal(input_files.check, config) == expected


@pytest.mark.parametrize("name", ["setting", "OtherConfig"])
def test_a_source_of_texts_must_be_a_format(name):
    name = f"own_kinds:{name}"
    kind = type(kinds.load("text_format", name, "")).__name__
    assert refusal(rows.load_format, name) == (
        "`--config.data.source` must name a "
        "trainers.data.texts.text_format.TextFormat. Received: "
        f"{name!r}, which is of the class {kind}."
    )


@pytest.mark.parametrize(
    "name, message",
    [
        ("", "must be MODULE:NAME of your own. Received: ''."),
        (
            "own_kinds:Nothing",
            "must be importable. Received: 'own_kinds:Nothing': "
            "AttributeError: module 'own_kinds' has no attribute 'Nothing'. "
            "Python imports from the current directory and from those in "
            "PYTHONPATH.",
        ),
        (
            "own_kinds:OtherConfig",
            "must name a class derived from trainers.tasks.inputs.inputs."
            "Inputs. Received: 'own_kinds:OtherConfig'.",
        ),
    ],
)
def test_data_must_name_its_inputs(name, message):
    class Data(own_kinds.OwnDataConfig):
        inputs: typing.ClassVar[str] = name

    assert refusal(tasks.inputs_class, Data()) == f"`Data.inputs` {message}"
    assert refusal(tasks.inputs_class, Data) == f"`Data.inputs` {message}"


def test_the_check_of_files_must_be_a_function():
    class Data(own_kinds.OwnDataConfig):
        check_files: typing.ClassVar[str] = "own_kinds:dataclasses"

    config = experiment.ExperimentConfig(data=Data())
    assert refusal(input_files.check, config) == (
        "`Data.check_files` must name a function. Received: "
        "'own_kinds:dataclasses', which is of the class module."
    )


def test_a_class_of_the_program_itself_is_refused(monkeypatch):
    @dataclasses.dataclass(slots=True)
    class Mine(own_kinds.OwnObjectiveConfig):
        """Is in a script that calls `train_and_evaluate`."""

    Mine.__module__, Mine.__qualname__ = "__main__", "Mine"
    monkeypatch.setattr(sys.modules["__main__"], "Mine", Mine, raising=False)
    config = own_config()
    config.task = Mine()
    assert refusal(experiment.validate, config) == (
        "`config.task` must be of a class that Python can import, for example "
        "from a file beside the config file, because the run is read again by "
        "evaluation and export; __main__:Mine cannot be imported. Received: "
        f"{Mine()!r}."
    )
    assert refusal(with_objective, "__main__:Mine") == (
        "`--config.task.objective` must be importable. Received: "
        "'__main__:Mine': `__main__` is another program in each command. Move "
        "it into a file that the program imports."
    )


# The objective is a setting.


def with_objective(name, config=None):
    config = config or experiment.ExperimentConfig()
    return config.with_overrides({"task.objective": name})


def test_the_objective_is_among_the_settings():
    leaves = {
        name: (field, value)
        for name, field, value in tree_lib.leaves(experiment.ExperimentConfig())
    }
    names = [name for name in leaves if name.startswith("config.task.")]
    assert names == [
        "config.task.objective",
        "config.task.label_smoothing",
        "config.task.class_weights",
        "config.task.focal_gamma",
    ]
    field, value = leaves["config.task.objective"]
    assert (field.name, field.type, value) == ("objective", str, "single_label")
    assert field.metadata["rule"]["choices"] == tuple(kinds.KINDS["task"])


def test_another_objective_keeps_the_settings_that_it_has():
    before = experiment.ExperimentConfig()
    before.task.label_smoothing = 0.5
    config = with_objective(OWN, before)
    assert config.task == own_kinds.OwnObjectiveConfig(label_smoothing=0.5)
    assert type(before.task) is SingleLabelConfig
    leaves = {name: value for name, _, value in tree_lib.leaves(config)}
    assert leaves["config.task.objective"] == OWN
    assert leaves["config.task.margin"] == 1.0
    assert with_objective("single_label", config).task == before.task


def test_an_objective_and_its_settings_can_be_set_together():
    values = {"task.margin": "2.5", "task.objective": OWN}
    config = experiment.ExperimentConfig().with_overrides(values)
    assert config.task.margin == 2.5
    assert type(config.task.make_objective()) is Objective


def test_the_same_objective_keeps_all_settings():
    config = experiment.ExperimentConfig()
    config.task = SingleLabelConfig(0.1, "balanced", 2.0)
    assert with_objective("single_label", config) == config


def test_a_setting_that_an_objective_does_not_have_is_dropped_with_a_warning(
    caplog,
):
    with_objective(OWN)
    assert caplog.messages == []
    config = experiment.ExperimentConfig()
    config.task.class_weights = "balanced"
    with_objective(OWN, config)
    assert caplog.record_tuples == [
        (
            "trainers.config.overrides",
            logging.WARNING,
            "`--config.task.class_weights` is no setting of the objective "
            f"{OWN} and is dropped. Received: 'balanced'.",
        )
    ]


@pytest.mark.parametrize(
    "name, message",
    [
        (
            "multi",
            "`--config.task.objective` must be one of "
            f"{', '.join(kinds.KINDS['task'])}, or MODULE:NAME of your own. "
            "Received: 'multi'.",
        ),
        (
            "own_kinds:Nothing",
            "`--config.task.objective` must be importable. Received: "
            "'own_kinds:Nothing': AttributeError: module 'own_kinds' has no "
            "attribute 'Nothing'. Python imports from the current directory "
            "and from those in PYTHONPATH.",
        ),
        *(
            (
                f"own_kinds:{name}",
                "`--config.task.objective` must be a dataclass derived from "
                "trainers.objectives.objective.ObjectiveConfig. Received: "
                f"'own_kinds:{name}'.",
            )
            for name in (
                "NoDataclassConfig",
                "OtherConfig",
                "OneUnitConfig",
                "dataclasses",
            )
        ),
        (3, "`--config.task.objective` must be text. Received: 3."),
        (None, "`--config.task.objective` must be text. Received: None."),
    ],
)
def test_another_name_of_an_objective_is_refused(name, message):
    assert refusal(with_objective, name) == message


# Parts of users.


def own_config():
    return experiment.ExperimentConfig(
        data=ImageDataConfig(path="digits"),
        task=own_kinds.OwnObjectiveConfig(margin=3.0),
        model=own_kinds.OneUnitConfig(image_shape=(4, 4)),
    )


def test_json_names_the_module_of_a_part_of_a_user():
    config = own_config()
    experiment.validate(config)
    text = experiment.to_json(config)
    tree = json.loads(text)
    assert tree["task"] == {
        "objective": OWN,
        "label_smoothing": 0.25,
        "margin": 3.0,
    }
    assert tree["model"] == {
        "kind": "own_kinds:OneUnitConfig",
        "image_shape": [4, 4],
    }
    assert experiment.from_json(text) == config


def test_a_part_that_could_not_be_read_again_is_refused():
    @dataclasses.dataclass(slots=True)
    class Local(own_kinds.OwnObjectiveConfig):
        """Is in no module."""

    config = own_config()
    config.task = Local()
    assert refusal(experiment.validate, config) == (
        "`config.task` must be of a class that Python can import, for example "
        "from a file beside the config file, because the run is read again by "
        f"evaluation and export; {Local.__module__}:{Local.__qualname__} "
        f"cannot be imported. Received: {Local()!r}."
    )


@pytest.mark.parametrize(
    "part, of_class, base",
    [
        ("data", " or ".join(kinds.class_names("data")), "DataConfig"),
        ("task", " or ".join(kinds.class_names("task")), "ObjectiveConfig"),
        ("model", " or ".join(kinds.class_names("model")), "ModelConfig"),
    ],
)
@pytest.mark.parametrize(
    "value",
    [
        own_kinds.OtherConfig(),
        own_kinds.NoDataclassConfig(),
        None,
        SingleLabelConfig,
    ],
    ids=["other base", "no dataclass", "nothing", "class"],
)
def test_a_part_of_no_kind_is_refused(part, of_class, base, value):
    config = own_config()
    setattr(config, part, value)
    assert refusal(experiment.validate, config) == (
        f"`config.{part}` must be of the class {of_class}, or of a dataclass "
        f"derived from {base}. Received: {value!r}."
    )


# What older versions wrote.


def old_tree(task="image_classification", data="images", **settings):
    return {
        "data": {"kind": data},
        "task": {"kind": task, **settings},
        "model": {
            "kind": "mnist_mlp" if data == "images" else "bert_classifier"
        },
    }


def test_the_augmentation_of_an_older_run_is_now_of_its_data():
    config = experiment.from_tree(
        old_tree(
            random_shift=0.1,
            random_rotation=20.0,
            random_zoom=0.3,
            label_smoothing=0.4,
            class_weights="cat=2",
        )
    )
    assert config.data == ImageDataConfig(
        random_shift=0.1, random_rotation=20.0, random_zoom=0.3
    )
    assert config.task == SingleLabelConfig(0.4, "cat=2")
    tree = tree_lib.to_tree(config)
    assert "kind" not in tree["task"]
    assert experiment.from_tree(tree) == config


def test_an_older_run_on_texts_can_be_read():
    config = experiment.from_tree(
        old_tree("text_classification", "texts", class_weights="balanced")
    )
    # What `auto` chooses could be another run.
    assert config.data == TextDataConfig(padded_lengths="many")
    assert config.task == SingleLabelConfig(class_weights="balanced")


def test_the_dicts_of_an_older_run_stay_as_they_are():
    tree = old_tree(random_shift=0.1)
    experiment.from_tree(tree)
    assert tree == old_tree(random_shift=0.1)


@pytest.mark.parametrize(
    "tree, message",
    [
        (
            old_tree(random_shfit=0.1),
            "`config.task.random_shfit` is not a setting of this version. "
            "Choices: label_smoothing, class_weights, focal_gamma.",
        ),
        (
            old_tree("text_classification", "texts", random_shift=0.1),
            "`config.data.random_shift` is not a setting of this version. "
            f"Choices: {', '.join(TEXT_SETTINGS)}.",
        ),
        (
            old_tree() | {"data": 3},
            "`config.data` must be an object. Received: 3.",
        ),
        (
            old_tree("ranking"),
            "`config.task.objective` must be one of "
            f"{', '.join(kinds.KINDS['task'])}, or MODULE:NAME of your own. "
            "Received: 'ranking'.",
        ),
    ],
)
def test_dicts_that_no_version_wrote_are_refused(tree, message):
    assert refusal(experiment.from_tree, tree) == message


@pytest.mark.parametrize("name", ["shift", "rotation", "zoom"])
def test_a_setting_that_moved_can_be_set_by_its_old_name(name):
    old, new = f"config.task.random_{name}", f"config.data.random_{name}"
    assert tree_lib.MOVED[old] == new
    config = experiment.ExperimentConfig()
    changed = config.with_overrides({old: "0.5"})
    assert changed == config.with_overrides({new: 0.5})
    assert getattr(changed.data, f"random_{name}") == 0.5
