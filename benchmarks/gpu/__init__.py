"""All that a GPU has to do, in one call that spends its minutes by itself.

    python -m benchmarks.gpu --minutes 8 --out DIR --only correct tune table crossovers step
    python -m benchmarks.gpu --minutes 8 --out DIR --only train --data DIR_OF_CIFAR10
    python -m benchmarks.gpu --rehearse --out DIR      # on the CPU, at tiny sizes
    python -m benchmarks.gpu --apply DIR               # results into the package and the docs

Each stage is a process of its own with a share of the time: one that crashes, hangs or is killed
takes no other with it, and its file holds what it had finished. Stages after ``tune`` use the
launch parameters that it left in the folder; ``--only correct`` into the same folder checks them.
"""
