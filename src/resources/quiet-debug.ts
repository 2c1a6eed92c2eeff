// CommonJS that builds its exports at run time: named ESM imports do not see them.
import proto from "@pulumi/pulumi/proto/resource_pb.js";

// With `pulumi up --debug` Pulumi's Node SDK writes every answer to a registration to the terminal as a whole
// (runtime/resource.js: "RegisterResource RPC finished: …, resp: …"), secrets in clear among them. Which resource it
// was stands in the same line already.
for (const response of [proto.RegisterResourceResponse, proto.ReadResourceResponse]) {
  response.prototype.toString = () => "[properties are not logged]";
}
