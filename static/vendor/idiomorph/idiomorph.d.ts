// What of idiomorph is used here, for the type check; written for this project.
interface Options {
  morphStyle?: "innerHTML" | "outerHTML";
  restoreFocus?: boolean;
  callbacks?: {
    beforeNodeMorphed?: (old: Node, fresh: Node) => boolean;
    beforeNodeRemoved?: (old: Node) => boolean;
    beforeAttributeUpdated?: (name: string, node: Element, change: "update" | "remove") => boolean;
  };
}
export const Idiomorph: { morph(old: Element, fresh: Element | string, options?: Options): Node[] };
