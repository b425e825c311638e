"""Chapter item 23: a callback of one's own, which prints how far validation is from training."""

import sys

import keras


class PrintValTrainRatio(keras.callbacks.Callback):
    """Prints the ratio of validation loss to training loss after each epoch."""

    def on_epoch_end(self, epoch, logs=None):
        """Epochs count from 0; `logs` holds the losses of this one."""
        ratio = logs["val_loss"] / logs["loss"]
        print(f"Epoch={epoch}, val/train={ratio:.2f}", file=sys.stdout)
