// Copyright The integration-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"text/template/parse"

	v1alpha1 "github.com/integration-operator/integration-operator/api/v1alpha1"
)

// fieldAccessTokens is the field of templateValues that is a map.
const fieldAccessTokens = "AccessTokens"

// functionAccessToken is the function that finds what the field cannot name.
const functionAccessToken = "accessToken"

// A templateCheck walks the parse tree of a template and lets through only what is on its lists: no loops, no templates within templates,
// no functions but the documented ones, no fields but those of templateValues.
type templateCheck struct {
	// tokens are the keys of access tokens that spec asks for, and used those that the template needs.
	tokens, used []string
	// at is where in the text the node is that was looked at last.
	at parse.Pos
}

// line returns the line of the node that was looked at last.
func (c *templateCheck) line(text string) int {
	return 1 + strings.Count(text[:min(int(c.at), len(text))], "\n")
}

// list checks the nodes of a list. atRoot says that the dot is the values, and not what a with has made of it.
func (c *templateCheck) list(list *parse.ListNode, atRoot bool) error {
	if list == nil {
		return nil
	}
	for _, node := range list.Nodes {
		if err := c.statement(node, atRoot); err != nil {
			return err
		}
	}
	return nil
}

func (c *templateCheck) statement(node parse.Node, atRoot bool) error {
	c.at = node.Position()
	switch n := node.(type) {
	case *parse.TextNode, *parse.CommentNode:
		return nil
	case *parse.ActionNode:
		return c.pipe(n.Pipe, atRoot)
	case *parse.IfNode:
		return c.branch(&n.BranchNode, atRoot, atRoot)
	case *parse.WithNode:
		return c.branch(&n.BranchNode, atRoot, false)
	case *parse.RangeNode:
		return errors.New("there are no loops: write each value by itself, or use split and join")
	case *parse.TemplateNode:
		return errors.New("there are no templates within templates: write it in one piece")
	default:
		return errors.New("only values, if, with and functions are allowed")
	}
}

func (c *templateCheck) branch(n *parse.BranchNode, atRoot, listAtRoot bool) error {
	if err := c.pipe(n.Pipe, atRoot); err != nil {
		return err
	}
	if err := c.list(n.List, listAtRoot); err != nil {
		return err
	}
	return c.list(n.ElseList, atRoot)
}

// pipe checks a pipeline: its declarations are variables by nature, so only its commands matter.
func (c *templateCheck) pipe(pipe *parse.PipeNode, atRoot bool) error {
	for i, command := range pipe.Cmds {
		for j, arg := range command.Args {
			if err := c.operand(arg, atRoot); err != nil {
				return err
			}
			if identifier, ok := arg.(*parse.IdentifierNode); ok {
				if err := c.call(identifier.Ident, command.Args[j+1:], j == 0, i > 0); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// call checks what a function is called with. atStart says that its name begins a command, and piped that it is given one value more.
func (c *templateCheck) call(name string, args []parse.Node, atStart, piped bool) error {
	given, takes := len(args), templateArguments[name]
	if piped {
		given++
	}
	switch {
	case name == functionAccessToken:
		return c.accessToken(args)
	case !atStart:
		return fmt.Errorf("put the call of %s between parentheses, with what it is called with", name)
	case given < takes.least || given > takes.least && !takes.more:
		return fmt.Errorf("wrong number of values for %s: it takes %d, and here it gets %d", name, takes.least, given)
	default:
		return nil
	}
}

func (c *templateCheck) operand(node parse.Node, atRoot bool) error {
	c.at = node.Position()
	switch n := node.(type) {
	case *parse.StringNode, *parse.NumberNode, *parse.BoolNode:
		return nil
	case *parse.IdentifierNode:
		if !slices.Contains(templateFunctions, n.Ident) {
			return fmt.Errorf("there is no function %s: use one of %s", n.Ident, strings.Join(templateFunctions, ", "))
		}
		return nil
	case *parse.PipeNode:
		return c.pipe(n, atRoot)
	case *parse.FieldNode:
		if !atRoot {
			return fmt.Errorf("within with, the values are reached by $: write $.%s", strings.Join(n.Ident, "."))
		}
		return c.field(n.Ident)
	case *parse.VariableNode:
		if n.Ident[0] == "$" {
			return c.field(n.Ident[1:])
		}
		if len(n.Ident) > 1 {
			return fmt.Errorf("variable %s is a text and has no fields", n.Ident[0])
		}
		return nil
	case *parse.DotNode:
		if atRoot {
			return c.field(nil)
		}
		return nil
	default:
		return errors.New("only values, texts, numbers, variables and functions are allowed")
	}
}

// field checks a path from the root of the values.
func (c *templateCheck) field(path []string) error {
	names := fieldNames()
	switch {
	case len(path) == 0:
		return fmt.Errorf("the values are used by name: write one of .%s", strings.Join(names, ", ."))
	case path[0] == fieldAccessTokens && len(path) == 2:
		return c.token(path[1])
	case path[0] == fieldAccessTokens:
		return errors.New("access tokens are used one by one: write .AccessTokens.<key>, or accessToken \"<key>\"")
	case !slices.Contains(names, path[0]):
		return fmt.Errorf("there is no value .%s: use one of .%s", path[0], strings.Join(names, ", ."))
	case len(path) > 1:
		return fmt.Errorf("the value .%s is a text and has no fields", path[0])
	default:
		return nil
	}
}

// accessToken checks the arguments of the function of that name: which token it is must be plain before the template is run.
func (c *templateCheck) accessToken(args []parse.Node) error {
	if len(args) == 1 {
		if key, ok := args[0].(*parse.StringNode); ok {
			return c.token(key.Text)
		}
	}
	return errors.New("write accessToken \"<key>\", with the key between quotes")
}

func (c *templateCheck) token(key string) error {
	if !slices.Contains(c.tokens, key) {
		return fmt.Errorf("there is no access token %s: add it to spec.secret.accessTokens, or correct the key", clip(key))
	}
	c.used = append(c.used, key)
	return nil
}

// clip bounds a name that comes from a template.
func clip(name string) string {
	const most = 63 + len(v1alpha1.ExpiresAtSuffix)
	if len(name) > most {
		return strings.ToValidUTF8(name[:most], "") + "..."
	}
	return name
}

// fieldNames returns the names of the values that a template may use.
func fieldNames() []string {
	var names []string
	for field := range reflect.TypeFor[templateValues]().Fields() {
		names = append(names, field.Name)
	}
	return names
}
