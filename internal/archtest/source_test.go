package archtest

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is this module's path, which the import paths of its packages begin with.
const module = "github.com/multi6/multi6"

// A source is a Go file that is built into a package or a test.
type source struct {
	// pkg is the package's path below the module: "internal/node".
	pkg  string
	name string
	test bool
	// imports are import paths; those of this module are below the module, with
	// a leading "./": "./wire".
	imports []string
	// calls are the functions, variables and types of other packages that are
	// named: "time.Now", "crypto/rand.Read".
	calls []string
}

// own returns the package of this module that imp names.
func own(imp string) (pkg string, ok bool) { return strings.CutPrefix(imp, "./") }

// readModule returns all Go files of the module, by package and name.
func readModule(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	var sources []source
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && file != root && (strings.HasPrefix(name, ".") || name == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		s, err := parse(filepath.ToSlash(dir), name, text)
		sources = append(sources, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(sources, func(a, b source) int {
		return cmp.Or(cmp.Compare(a.pkg, b.pkg), cmp.Compare(a.name, b.name))
	})
	return sources
}

// parse reads one file.
func parse(pkg, name string, text []byte) (source, error) {
	s := source{pkg: pkg, name: name, test: strings.HasSuffix(name, "_test.go")}
	f, err := parser.ParseFile(token.NewFileSet(), path.Join(pkg, name), text, parser.SkipObjectResolution)
	if err != nil {
		return s, err
	}
	local := make(map[string]string) // the name in the file, to the import path
	for _, spec := range f.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return s, err
		}
		as := strings.TrimPrefix(path.Base(imp), "v2") // math/rand/v2
		if as == "" {
			as = path.Base(path.Dir(imp))
		}
		if spec.Name != nil {
			as = spec.Name.Name
		}
		local[as] = imp
		if rest, ok := strings.CutPrefix(imp, module+"/"); ok {
			imp = "./" + rest
		}
		s.imports = append(s.imports, imp)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok && local[id.Name] != "" {
			s.calls = append(s.calls, local[id.Name]+"."+sel.Sel.Name)
		}
		return true
	})
	return s, nil
}
