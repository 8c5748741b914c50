// What TypeScript knows of the module's tasks: their documentation, and the schemas of what they take and return. Of
// JavaScript the same by its JSDoc.

import { realpathSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import ts from "typescript";
import { SDK } from "./bundle.js";
import { Problem } from "./problem.js";
import { Schemas } from "./schema.js";

/** What stands where the project says nothing: checked as strictly as the template's. */
const DEFAULTS = {
  strict: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  lib: ["lib.es2023.d.ts", "lib.webworker.d.ts"],
  types: [],
  skipLibCheck: true,
};

/** By the name of its export, what the build tells the component of each of `tasks`. Types that do not hold are refused. */
export function readTypes(project, tasks) {
  const program = open(project);
  check(program, project);
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(project.entry);
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(source));
  const found = {};
  for (const { exported: name, name: task } of tasks) {
    const symbol = exported.find((it) => it.name === name);
    found[name] = describe(checker, source, symbol, task);
  }
  return found;
}

function open({ root, entry }) {
  const file = ["tsconfig.json", "jsconfig.json"].map((it) => join(root, it)).find(ts.sys.fileExists);
  let options = DEFAULTS;
  if (file) {
    const { config, error } = ts.readConfigFile(file, ts.sys.readFile);
    if (error) throw new Problem(text(error, root));
    const parsed = ts.parseJsonConfigFileContent(config, ts.sys, root, undefined, file);
    const wrong = parsed.errors.find((it) => it.category === ts.DiagnosticCategory.Error && it.code !== NO_INPUTS);
    if (wrong) throw new Problem(text(wrong, root));
    options = parsed.options;
  }
  const own = {
    allowJs: true,
    noEmit: true,
    skipLibCheck: true,
    // Packages count by their types alone: a `jsconfig.json` would have their scripts read.
    maxNodeModuleJsDepth: 0,
    // The SDK that builds is the one that is typed against.
    paths: { "@lovage/sdk": [join(SDK, "types/index.d.ts")], ...options.paths },
  };
  return ts.createProgram([entry], { ...options, ...own });
}

/** Said of a configuration whose `include` names no file: the entry file is given apart. */
const NO_INPUTS = 18003;

function check(program, { root }) {
  const all = ts.getPreEmitDiagnostics(program).filter((it) => it.category === ts.DiagnosticCategory.Error);
  const wrong = all.filter((it) => !it.file?.fileName.includes("/node_modules/"));
  if (wrong.length) throw new Problem(...wrong.slice(0, 20).map((it) => text(it, root)));
}

function text(diagnostic, root) {
  const message = ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n  ");
  if (!diagnostic.file) return message;
  const { line, character } = diagnostic.file.getLineAndCharacterOfPosition(diagnostic.start);
  return `${relative(root, diagnostic.file.fileName)}:${line + 1}:${character + 1}: ${message}`;
}

function describe(checker, source, symbol, task) {
  const type = checker.getTypeOfSymbolAtLocation(symbol, source);
  const name = type.symbol?.name;
  const declared = type.symbol?.declarations?.[0].getSourceFile().fileName;
  const own = declared && realpathSync(dirname(declared)) === realpathSync(join(SDK, "types"));
  if (!own || (name !== "Task" && name !== "BatchTask")) {
    throw new Problem(`task \`${task}\`: its type is \`${checker.typeToString(type)}\`: export what \`task(…)\` returns, as it is`);
  }
  const [args, returned] = checker.getTypeArguments(type);
  const aliased = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const schemas = new Schemas(checker, source, task);
  const result = checker.getAwaitedType(returned) ?? returned;
  const each = name === "BatchTask" ? schemas.withoutFailure(checker.getIndexTypeOfType(result, ts.IndexKind.Number)) : result;
  const doc = ts.displayPartsToString(aliased.getDocumentationComment(checker)).trim();
  return { doc, ...schemas.input(args, name === "Task" && takesAny(checker, aliased)), output: schemas.output(each) };
}

/** Whether the function that a task is made of takes an argument. */
function takesAny(checker, symbol) {
  const made = symbol.valueDeclaration?.initializer;
  const run = made && ts.isCallExpression(made) ? made.arguments.at(-1) : undefined;
  return run !== undefined && checker.getTypeAtLocation(run).getCallSignatures().some((it) => it.parameters.length > 0);
}
