"""The types beyond skops' own that a model file may hold: written by hand, never taken from a package.

Each was looked at: plain numbers and arrays of scikit-learn's own classes, no functions, no names to import.
The tree classes and scipy's sparse ones keep raw indices, so a file made by hostile hands could still end the process
that loads it: that is why intake loads in a sandbox, and why a gateway leaves out a package that ended it twice.
"""

TRUSTED_TYPES: tuple[str, ...] = (
    "scipy.sparse._csr.csr_array",
    "scipy.sparse._csr.csr_matrix",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
)
