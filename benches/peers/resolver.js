// References of schemas lead within the schema, not within the manifest, where Spectral looks for them: it shall resolve none.
const { Resolver } = require("@stoplight/spectral-ref-resolver");
module.exports = new Resolver({ dereferenceInline: false, dereferenceRemote: false });
