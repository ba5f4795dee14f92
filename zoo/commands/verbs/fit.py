"""Trains, chooses on validation, tests once, records."""

from collections.abc import Sequence

from zoo.commands.verbs import DataClass

SUMMARY = "train, choose the weights on validation, test them once, leave a folder"
ORDER = 10
HELP = """\
usage: python cli.py fit --data NAME --model NAME [FLAG VALUE] …      or with -c FILE

Train, keep the weights that did best on the validation images, test them once, leave a folder.

  --data NAME               MNIST FashionMNIST CIFAR10 Digits; your own: Folder or Arrays with --data.path DIR or FILE
  --model NAME              SoftmaxRegression MLP LeNet ConvNet ResNet ViT FastNet
  -c, --config FILE         settings from a file, or the zoo's own of that name: mnist_lenet; several, the later wins

  --data.root DIR           where data lies or is downloaded to
  --data.batch_size N       images per step, over all devices together (128)
  --data.val_size N         validation images (a tenth); --data.train_size N: train on N images only
  --data.balance true       train on each class equally often, however many images it has
  --data.normalize NAME     none unit symmetric standard (standard; with --model.weights as theirs)
  --data.augment LIST       random changes of training images: '[crop, flip]', '[shift_rotate, cutout]'

  --model.hidden LIST       widths of dense layers: '[256]'; --model.channels LIST: kernels per stage: '[32,64]'
  --model.activation NAME   relu sigmoid tanh leaky_relu prelu elu selu silu gelu identity, or torch.nn.CLASS
  --model.norm NAME         none batch layer; --model.pool NAME: max avg stride
  --model.dropout X         share of units silenced in each step (0)
  --model.init NAME         he_normal xavier_normal normal uniform orthogonal zeros … (he_normal)
  --model.weights WEIGHTS   start from weights of the zoo (`weights list`), a run, a folder with a card, hf://USER/REPO
  --model.freeze body       train the last layer only; --model.unfreeze_at N: from epoch N on all of them

  --model.optimizer CLASS   torch.optim.SGD … (torch.optim.Adam); --model.optimizer.lr X (0.001)
  --model.schedule NAME     Cosine Triangle Steps: learning rate over the training (none: constant)
  --trainer.max_epochs N    passes over the training images (10)
  --trainer.precision NAME  32 bf16-mixed …; --trainer.devices N; --trainer.accelerator NAME
  --trainer.callbacks NAME  EarlyStopping …; files with some are in configs/callbacks/
  --monitor NAME            what chooses the weights: val/accuracy val/balanced_accuracy val/loss (val/accuracy)
  --seed_everything N       draws of weights, order and augmentation (0)

  --run_dir DIR             folder of the run (runs/<data>-<model>/<time>-s<seed>)
  --resume never|auto|must  go on with the run in --run_dir
  --figures false           draw nothing at the end; --debug: show the traceback behind an error

  --model.help NAME         the options of a model; --data.help NAME of a data set; so --model.optimizer.help NAME,
                            --model.schedule.help NAME, --trainer.callbacks.help NAME
  --help_all                all flags, with those of Lightning's Trainer; --print_config: print the configuration

null as a value: no such thing (--model.schedule, --data.augment), or, of a number or folder, the default as above."""


def run(args: Sequence[str], data_class: DataClass) -> None:
    """Hands the words to LightningCLI."""
    from zoo.commands.cli.command import run_lightning

    run_lightning(["fit", *args], data_class())
