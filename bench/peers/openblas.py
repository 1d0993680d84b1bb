"""Thread counts and names of the OpenBLAS libraries that NumPy and SciPy bring."""

import numpy
import scipy
import threadpoolctl

controller = threadpoolctl.ThreadpoolController()


def set_threads(n, module):
    """Sets the threads of every OpenBLAS in the process; names version and kernel of the one that module links."""
    chosen = None
    for lib in controller.lib_controllers:
        if lib.internal_api != "openblas":
            continue
        lib.set_num_threads(n)
        if lib.num_threads != n:
            raise RuntimeError(f"OpenBLAS runs {lib.num_threads} threads instead of {n}")
        if f"{module.__name__}.libs" in lib.filepath or chosen is None:
            chosen = lib
    if chosen is None:
        raise RuntimeError(f"{module.__name__} is not linked with OpenBLAS")
    return f"OpenBLAS {chosen.version} ({chosen.architecture}, {chosen.threading_layer}) in {module.__name__} {module.__version__}"
