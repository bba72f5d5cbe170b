// What the server sends, for the type check. Global, so that no comment says import(): the static files' storage
// follows that in comments too.

/** What one choice of media, quality, engine and enhancement leads to. */
interface JobType {
  name: string;
  title: string;
  /** what it can use reference images for */
  references: string[];
  enhanced: boolean;
  /** in px, by aspect ratio; the first is its usual one */
  sizes: Record<string, string>;
  /** how many it can make at a time */
  quantities: number[];
}

/** A model that can be chosen. */
interface Model {
  title: string;
  /** the address of its picture; empty without one */
  picture: string;
  /** which of the shapes it has, that is the following two */
  shape: number;
  /** in px, by aspect ratio; null: those of the job type */
  sizes: Record<string, string> | null;
  /** by the job types that it makes, what it can use reference images for */
  references: Record<string, string[]>;
}

/** In words how long each job type takes, by how many it makes. */
type Times = Record<string, Record<string, string>>;

/** What the server says of a job that is not submitted yet, or of several. */
interface Forecast {
  text: string;
  /** the button's words */
  make: string;
  /** whether a worker is there for it */
  served: boolean;
  refused: boolean;
  takes: Times;
}

/** What the composer does once that is known. */
interface ForecastPage {
  onServed(served: boolean): void;
  onTimes(times: Times): void;
}

/** The answer to an action. */
interface Outcome {
  ok: boolean;
  message?: string;
  undo?: Undo;
  /** where its result is */
  url?: string;
}

/** What the button "Undo" posts. */
interface Undo {
  url: string;
  fields?: Record<string, string | string[]>;
}

/** The answer to a submission. */
interface Submitted {
  ok: boolean;
  message: string;
  /** by the names of the fields */
  errors: Record<string, string[]>;
  /** of the next submission */
  key: string;
  /** the jobs that were made */
  stacks: Change[];
  /** what is said of all jobs now */
  parts: Part[];
  /** of the first result */
  seed: number | null;
  /** that was made with it */
  project?: { id: string; name: string };
}

/** What a socket says: `changes` up to a revision, or `progress`, of the rows that the page shows; `reload`, `heartbeat`. */
interface Message {
  /** Bulk operations in work, as HTML. */
  operations?: string;
  /** How many results fit, in words; empty where that is as it was. */
  count?: string;
  /** What the page shows was deleted. */
  gone?: boolean;
  type: string;
  revision: number;
  /** of which state of the database; an older server sends none */
  epoch?: string;
  jobs?: Change[];
  assets?: Change[];
  parts?: Part[];
}

/** An element of the page that no revision tells of, as it is now. */
interface Part {
  id: string;
  html: string;
}

/** How a job or an asset stands now: as HTML, or `removed` from this page. */
interface Change {
  id: string;
  media?: string;
  html: string;
  removed: boolean;
}

/** What a person fills in or chooses in the composer. */
type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

/** A reference image in the draft. */
interface KeptReference {
  source: string;
  type: string;
  strength: string;
  thumbnail: string;
  /** what it was chosen for, by the kinds of job type that can use it: `looks`, `frames` */
  wants?: Record<string, string>;
}

/** references.js, loaded once there is a reference image. */
type References = typeof import("./references.js");

/** All that is in the composer. */
interface Draft {
  /** by the names of the controls */
  values: Record<string, string | boolean>;
  references: KeptReference[];
  /** of a press on Make that was not answered yet */
  key?: string;
  /** before going back through earlier prompts */
  typed?: string | null;
}

/** What the viewer steps through. An id is "image-…" or "video-…": the medium and the asset's id. */
interface ViewerList {
  /** the tile, in the document or not; null if it is not in the list */
  element(id: string): HTMLElement | null;
  /** what follows, also on one that has left; fetches what is not here */
  next(id: string): Promise<string | null>;
  previous(id: string): Promise<string | null>;
  first(): Promise<string | null>;
  last(): Promise<string | null>;
  /** counted from 1, where that is known */
  place(id: string): number | null;
}

/** How large pictures are shown, and which part of them. */
interface Zoom {
  by(factor: number): void;
  fit(): void;
  /** between the size that fits and the picture's own */
  toggle(): void;
  pan(dx: number, dy: number): void;
  isZoomed(): boolean;
}

/** What a page gives the viewer. */
interface ViewedPage {
  list: ViewerList;
  /** what the address bar shows while a tile is open */
  addressOf(tile: HTMLElement): string;
  /** whether a click opens */
  mayOpen(): boolean;
  /** called when the history leads to a tile that is not here */
  onMissing(): void;
  /** called with the tile that was shown last, before the focus goes to it */
  onClose(tile: HTMLElement): void;
}

/** The viewer: lightbox.js, loaded when somebody is about to use it. */
interface Viewer {
  /** shows what the state of the history says, or nothing */
  follow(state: { viewer?: string } | null): void;
  followTiles(): void;
  /** a key that was pressed on a tile of the page */
  keyed(tile: HTMLElement, event: KeyboardEvent): void;
}
/** What of the composer is to be filled in: values of its controls, and the reference images if they change. */
type Filled = Partial<Pick<Draft, "values" | "references">>;
