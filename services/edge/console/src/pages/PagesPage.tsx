import { useEffect } from "react";
import { useCaller } from "../account/caller";
import { Choice } from "../ui/Choice";
import { useFilter } from "../ui/useFilter";
import { ContactsView } from "./ContactsView";
import { MessageLog } from "./MessageLog";
import { useResponders } from "./PersonField";
import { ReachView } from "./ReachView";

const VIEWS = ["log", "contacts", "reach"] as const;
type View = (typeof VIEWS)[number];
const LABELS = { log: "Message log", contacts: "Contact methods", reach: "Who can be reached" } as const;

/** What was said to whom, how people want to be paged, and whether they can be reached. */
export default function PagesPage() {
  const [view, setView] = useFilter<View>("view", "log", VIEWS);
  const me = useCaller().name;
  const known = useResponders().some((person) => person.name === me);
  useEffect(() => {
    document.title = "Pages · Tocsin";
  }, []);
  return (
    <main id="main">
      <h1>Pages</h1>
      <div className="filters">
        <Choice label="View" value={view} onChange={setView} options={VIEWS.map((value) => ({ value, label: LABELS[value] }))} />
      </div>
      {view === "log" && <MessageLog />}
      {view === "contacts" && <ContactsView me={known ? me : ""} />}
      {view === "reach" && <ReachView />}
    </main>
  );
}
