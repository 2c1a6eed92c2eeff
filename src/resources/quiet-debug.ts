import { createRequire } from "node:module";

// CommonJS that builds its exports at run time: named ESM imports do not see them.
const require = createRequire(import.meta.url);
const proto: typeof import("@pulumi/pulumi/proto/resource_pb.js") = require("@pulumi/pulumi/proto/resource_pb.js");

// With `pulumi up --debug` Pulumi's Node SDK writes every answer to a registration to the terminal as a whole
// (runtime/resource.js: "RegisterResource RPC finished: …, resp: …"), secrets in clear among them. Which resource it
// was stands in the same line already.
for (const response of [proto.RegisterResourceResponse, proto.ReadResourceResponse]) {
  response.prototype.toString = () => "[properties are not logged]";
}
