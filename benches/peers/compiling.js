// The work of `oap-conform lint` that costs the most, done with ajv as directly as can be: each file is held against the schema of
// a manifest, then the schemas of each action are compiled. `node compiling.js SCHEMA FOLDER`; ends with 1 if something is wrong.
const { readFileSync, readdirSync } = require("node:fs");
const { join } = require("node:path");
const Ajv2020 = require("ajv/dist/2020");
const formats = require("ajv-formats");

const [schema, folder] = process.argv.slice(2);
const fresh = () => formats(new Ajv2020({ allErrors: true, strict: false, logger: false }));
const isManifest = fresh().compile(JSON.parse(readFileSync(schema, "utf8")));
// One for all files: each new one would compile the meta-schema again.
const ajv = fresh();
let wrong = 0;
const tell = (file, what) => {
  wrong += 1;
  console.log(`${file}: ${what}`);
};

for (const name of readdirSync(folder).sort()) {
  const file = join(folder, name);
  const manifest = JSON.parse(readFileSync(file, "utf8"));
  if (!isManifest(manifest)) {
    for (const error of isManifest.errors) tell(file, `${error.instancePath} ${error.message}`);
    continue;
  }
  manifest.actions.forEach((action, index) => {
    for (const member of ["input_schema", "output_schema"]) {
      try {
        ajv.compile(action[member]);
      } catch (error) {
        tell(file, `/actions/${index}/${member} ${error.message}`);
      }
    }
  });
}
process.exit(wrong === 0 ? 0 : 1);
