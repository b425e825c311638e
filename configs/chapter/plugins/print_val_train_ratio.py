"""Chapter item 23: a custom callback, which prints the ratio of validation loss to training loss."""

import sys

import keras


class PrintValTrainRatio(keras.callbacks.Callback):
    """Prints the ratio of validation loss to training loss after each epoch."""

    def on_epoch_end(self, epoch, logs=None):
        """Print the ratio; epochs count from 0, and `logs` holds the losses of this epoch."""
        ratio = logs["val_loss"] / logs["loss"]
        print(f"Epoch={epoch}, val/train={ratio:.2f}", file=sys.stdout)
