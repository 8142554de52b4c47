"""The interfaces of the framework, one small file each; reading them in the order of a training step is the tutorial.

views → encoder → projector → vertices → graph_builder → message_passing → affinity → solver → estimator → loss
"""
