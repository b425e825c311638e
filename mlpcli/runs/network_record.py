"""What a training leaves in `run.json` of the network that it trained: activations and gradients by layer."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=0, lt=2**63)]
Size = Annotated[float, Field(ge=0)]


class _Facts(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="allow", protected_namespaces=())


class LayerFacts(_Facts):
    """One layer, measured on some training rows.

    Attributes:
        name: of the layer.
        class_name: of its class.
        activation: its name; empty where it has none.
        units: values along its last axis.
        dead: units that are 0 on every row; None where 0 is no end of the activation.
        saturated: units at an end of their range on nearly every row; None where the activation has none.
        identical: whether all units give the same values.
        output: whether it is an output of the network.
        gradient: the norm of the gradient of the loss by its kernels; None for a layer without any.
        weight: the norm of these kernels.
    """

    name: str
    class_name: str = ""
    activation: str = ""
    units: Count = 0
    dead: Count | None = None
    saturated: Count | None = None
    identical: bool = False
    output: bool = False
    gradient: Size | None = None
    weight: Size | None = None


class ClassFacts(_Facts):
    """The classes of one output: how many of the measured rows have each, and are predicted to.

    Attributes:
        output: its name; empty where there is only one.
        names: of the classes.
        truth: how many rows have each.
        predicted: for how many rows each is predicted.
        distinguished: by class, whether its probability is higher in its own rows than in others, by
            more than chance; None where that is not known.
    """

    output: str = ""
    names: list[str]
    truth: list[Count]
    predicted: list[Count]
    distinguished: list[bool | None] = Field(default_factory=list)

    @model_validator(mode="after")
    def _alike(self) -> ClassFacts:
        if not len(self.names) == len(self.truth) == len(self.predicted):
            raise ValueError("names, truth and predicted must have an entry for each class")
        if len(self.distinguished) not in (0, len(self.names)):
            raise ValueError("distinguished must have an entry for each class")
        return self


class LaterFacts(_Facts):
    """The errors on some rows that are later than the training rows, and on training rows.

    Attributes:
        split: that these rows are of.
        rows: how many.
        above: the share that is predicted above the target.
        error: the mean absolute error, as the loss takes the target.
        trained_above: the same share of training rows.
        trained_error: the same error of training rows.
    """

    split: str
    rows: Count
    above: Size
    error: Size
    trained_above: Size
    trained_error: Size


class TargetFacts(_Facts):
    """The numbers of one output, as the loss takes them: their mean and standard deviation.

    Attributes:
        output: its name; empty where there is only one.
        mean: the largest of its columns, without the sign.
        deviation: the largest of its columns.
        later: the errors on later rows, where rows were split off by time.
    """

    output: str = ""
    mean: float
    deviation: Size
    later: LaterFacts | None = None


class NetworkFacts(_Facts):
    """A trained network, measured on some of its training rows.

    Attributes:
        rows: how many.
        layers: in their order.
        loss: of these rows, without the penalties of regularizers.
        penalty: these penalties.
        constant_loss: the loss of the same prediction for every row: the mean, the median, or the shares of
            the classes; None where no such prediction is known.
        input_size: the largest root mean square of a value that the first weights receive.
        input_spread: the largest standard deviation of one.
        classes: of each output of classes.
        targets: of each output of numbers.
    """

    rows: Count
    layers: list[LayerFacts] = Field(default_factory=list)
    loss: float | None = None
    penalty: float = 0.0
    constant_loss: float | None = None
    input_size: Size | None = None
    input_spread: Size | None = None
    classes: list[ClassFacts] = Field(default_factory=list)
    targets: list[TargetFacts] = Field(default_factory=list)
